// The page's own script: keys and clicks become messages; the extension does all the work.
(() => {
  const vscode = acquireVsCodeApi();
  const body = document.getElementById("body");
  const output = document.getElementById("output");

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-do]");
    if (button) vscode.postMessage({ ...button.dataset });
  });

  document.addEventListener("keydown", (event) => {
    const row = document.activeElement;
    if (!row || row.tagName !== "TR" || event.ctrlKey || event.altKey || event.metaKey) return;
    const rows = [...body.querySelectorAll("tr[data-row]")];
    const at = rows.indexOf(row);
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (next !== undefined && rows[next]) {
      row.tabIndex = -1;
      rows[next].tabIndex = 0;
      rows[next].focus();
      event.preventDefault();
    } else if (event.key === "Enter") {
      vscode.postMessage({ do: "compare", candidate: row.dataset.candidate });
    } else if (event.key === "a" || event.key === "A") {
      vscode.postMessage({ do: "apply", candidate: row.dataset.candidate });
    }
  });

  window.addEventListener("message", ({ data }) => {
    if (data.body !== undefined) {
      const focused = document.activeElement?.dataset?.candidate;
      body.innerHTML = data.body; // escaped where it is made; the policy runs no script of it
      if (focused) body.querySelector(`tr[data-candidate="${CSS.escape(focused)}"]`)?.focus();
    }
    if (data.output !== undefined) {
      output.hidden = false;
      const title = document.createElement("h2");
      title.textContent = data.title;
      const text = document.createElement("pre");
      text.tabIndex = 0;
      text.textContent = data.output;
      output.replaceChildren(title, text);
      output.scrollIntoView({ block: "nearest" });
    }
  });

  body.querySelector('tr[tabindex="0"]')?.focus();
})();
