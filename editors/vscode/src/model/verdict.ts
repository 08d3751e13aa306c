/** The verdict as HTML. Everything that came from outside is escaped; there is no script in here. */

import { appliedWords } from "./nodes";
import type { Run } from "./run";
import type { CandidateReport, RunReport } from "./wire";
import { counted, duration, joined, money, tokens } from "./words";

export interface Assets {
  readonly style: string;
  readonly script: string;
  readonly nonce: string;
  readonly source: string;
}

export function escape(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** The page around the table. Nothing is loaded but its own style and script. */
export function page(assets: Assets, body: string): string {
  const policy = `default-src 'none'; style-src ${assets.source}; script-src 'nonce-${assets.nonce}'; font-src 'none'; img-src 'none'; connect-src 'none'; form-action 'none'; base-uri 'none'`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${assets.style}">
<title>Verdict</title>
</head>
<body>
<main id="body">${body}</main>
<section id="output" aria-live="polite" aria-label="Check output" hidden></section>
<script nonce="${assets.nonce}" src="${assets.script}"></script>
</body>
</html>`;
}

const OUTCOMES: Record<string, string> = {
  won: "Winner", tied: "Tied: nobody won", abstained: "Nobody won", none: "No candidate",
  cancelled: "Cancelled", interrupted: "Interrupted", running: "Still at work",
};

export function verdictBody(run: Run, report: RunReport): string {
  const { verdict, explanation } = report;
  const title = verdict.winner ? `${OUTCOMES["won"]}: ${verdict.winner}` : OUTCOMES[verdict.outcome] ?? verdict.outcome;
  const spent = joined(
    counted(report.seats.length, "agent"), counted(report.candidates.length, "candidate"), tokens(report.usage.tokens),
    money(report.usage.cost === null ? null : Number(report.usage.cost)), run.ended > 0 && duration(run.seconds(Date.now())));
  return `<header>
<h1><span class="outcome ${escape(verdict.outcome)}">${escape(title)}</span></h1>
<p class="task">${escape(run.prompt)}</p>
<p class="why">${escape(verdict.why)}</p>
<p class="spent">${escape(spent)}</p>
${next(run)}
</header>
${table(run, report)}
${explanation.steps.length ? `<h2>How it was decided</h2><ol class="steps">${explanation.steps.map((s) => `<li>${escape(s)}</li>`).join("")}</ol>` : ""}
${ballots(report)}
${agents(report)}
${report.notices.length ? `<h2>Notices</h2><ul>${report.notices.map((n) => `<li>${escape(n)}</li>`).join("")}</ul>` : ""}
<footer><button class="plain" data-do="export">Export Markdown</button> <button class="plain" data-do="rerun">Run Again with…</button></footer>`;
}

/** What one can do where nobody won. */
function next(run: Run): string {
  if (run.running || run.winner !== null) return "";
  const compare = run.candidates.size > 1 ? '<button data-do="twoBest">Compare the Two Best</button> ' : "";
  const words = run.candidates.size ? "Look at what there is and apply one yourself, or let others try:" : "Let others try:";
  return `<p class="next">${words} ${compare}<button class="plain" data-do="rerun">Run Again with…</button></p>`;
}

function table(run: Run, report: RunReport): string {
  const { checks, rows } = report.explanation;
  if (rows.length === 0) return "<p>No agent left a change.</p>";
  const judged = rows.some((row) => row.judges);
  const known = new Map(report.candidates.map((each) => [each.id, each]));
  const head = ["Candidate", "Files", "Lines", ...checks, ...(judged ? ["Judges"] : []), ""];
  const body = rows.map((row, i) => {
    const candidate = known.get(row.candidate);
    const twins = row.cluster.filter((id) => id !== row.candidate);
    const name = `<th scope="row">${row.won ? '<span class="won" title="the winner">★</span> ' : ""}${escape(row.candidate)}`
      + (run.applied.has(row.candidate) ? ` <span class="tag">${appliedWords(run, row.candidate)}</span>` : "")
      + (candidate?.discarded ? ' <span class="tag">discarded</span>' : "")
      + (row.eligible ? "" : ' <span class="tag">not eligible</span>')
      + `${twins.length ? `<div class="twins">same change as ${escape(twins.join(", "))}</div>` : ""}</th>`;
    const cells = row.checks.map((said, j) => checkCell(row.candidate, checks[j] ?? "", said, candidate));
    const what = escape(row.candidate);
    return `<tr data-row="${i}" data-candidate="${what}" tabindex="${i === 0 ? 0 : -1}"${row.won ? ' class="winner"' : ""}>${name}`
      + `<td class="number">${row.files}</td><td class="number">${row.lines}</td>${cells.join("")}`
      + (judged ? `<td>${escape(row.judges)}</td>` : "")
      + `<td class="acts"><button data-do="compare" data-candidate="${what}" aria-label="Compare ${what} with your files">Compare</button> `
      + `<button data-do="apply" data-candidate="${what}" aria-label="Apply ${what}"${row.won ? "" : ' class="plain"'}>Apply</button></td></tr>`;
  });
  return `<table aria-label="Candidates, best first">
<thead><tr>${head.map((h, i) => `<th scope="col"${i === 1 || i === 2 ? ' class="number"' : ""}>${h ? escape(h) : '<span class="unseen">What to do</span>'}</th>`).join("")}</tr></thead>
<tbody>${body.join("\n")}</tbody></table>
<p class="hint">↑ ↓ move · Enter compares · A applies · a check's cell shows what it printed</p>`;
}

function checkCell(id: string, check: string, said: string, candidate: CandidateReport | undefined): string {
  const evidence = candidate?.checks.find((each) => each.check === check);
  const tone = !evidence ? "" : evidence.new_failures.length ? "bad" : evidence.fixed.length || evidence.outcome === "passed" ? "good" : "";
  const mark = tone === "bad" ? "✗ " : tone === "good" ? "✓ " : "";
  return `<td><button class="cell ${tone}" data-do="check" data-candidate="${escape(id)}" data-check="${escape(check)}" `
    + `aria-label="${escape(`${check} of ${id}: ${said}. Show its output`)}">${mark}${escape(said)}</button></td>`;
}

function ballots(report: RunReport): string {
  const all = report.explanation.ballots;
  if (all.length === 0) return "";
  const rows = all.map((b) => `<tr><th scope="row">${escape(b.judge)}</th><td>${escape(b.shown.join(" or "))}</td><td>${escape(b.choice)}</td><td>${escape(b.reason)}</td></tr>`);
  return `<h2>What the judges said</h2><table aria-label="Judges' answers"><thead><tr><th scope="col">Judge</th><th scope="col">Asked</th><th scope="col">Choice</th><th scope="col">Reason</th></tr></thead><tbody>${rows.join("")}</tbody></table>`;
}

function agents(report: RunReport): string {
  const spent = report.seats.map((seat) => joined(tokens(seat.usage.tokens), money(seat.usage.cost === null ? null : Number(seat.usage.cost))));
  // A column in which nothing would stand is left out.
  const [anySpent, anySaid] = [spent.some((each) => each), report.seats.some((seat) => seat.reason)];
  const rows = report.seats.map((seat, i) =>
    `<tr><th scope="row"><button class="cell" data-do="log" data-seat="${escape(seat.seat)}" aria-label="Open the log of ${escape(seat.seat)}">${escape(seat.seat)}</button></th>`
    + `<td>${escape(seat.type)}</td><td>${escape(seat.outcome ?? seat.phase)}</td><td class="number">${escape(duration(seat.seconds))}</td>`
    + `${anySpent ? `<td>${escape(spent[i] ?? "")}</td>` : ""}${anySaid ? `<td>${escape(seat.reason)}</td>` : ""}</tr>`);
  const head = ["Agent", "Kind", "Ended", "Time", ...(anySpent ? ["Spent"] : []), ...(anySaid ? ["Said"] : [])]
    .map((h) => `<th scope="col"${h === "Time" ? ' class="number"' : ""}>${h}</th>`);
  return `<h2>Agents</h2><table aria-label="Agents"><thead><tr>${head.join("")}</tr></thead><tbody>${rows.join("")}</tbody></table>`;
}
