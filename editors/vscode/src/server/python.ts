/** Which command starts the server: configured, of the workspace's Python, on PATH, or our own. */

import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import * as vscode from "vscode";

export const LOWEST = [3, 11] as const;

export interface Found {
  readonly command: string;
  readonly args: readonly string[];
  /** For people: where it comes from. */
  readonly from: string;
}

/** Nothing can be started; `message` says why, `offers` what can be done about it. */
export class NoServer extends Error {
  constructor(message: string, readonly python: string | undefined) {
    super(message);
  }
}

export async function findServer(context: vscode.ExtensionContext): Promise<Found> {
  const settings = vscode.workspace.getConfiguration("massgen.server");
  const command = settings.get<string[]>("command") ?? [];
  if (command[0]) return { command: command[0], args: command.slice(1), from: "massgen.server.command" };

  const interpreter = settings.get<string>("interpreter")?.trim();
  if (interpreter) {
    const version = await versionOf(interpreter);
    if (!version) {
      throw new NoServer(`massgen.server.interpreter is ${interpreter}, which cannot be started.`, undefined);
    }
    if (tooOld(version)) {
      throw new NoServer(
        `massgen.server.interpreter is Python ${version.join(".")}; massgen-ls needs ${LOWEST.join(".")} or newer.`, undefined);
    }
    if (!(await hasServer(interpreter))) {
      throw new NoServer(`${interpreter} has no massgen-ls: \`pip install\` its folder or wheel there.`, undefined);
    }
    return module(interpreter, "massgen.server.interpreter");
  }

  // The folder's own environment is the folder's program: not before it is trusted.
  const active = vscode.workspace.isTrusted ? await activePython() : undefined;
  if (active && (await hasServer(active))) return module(active, "the Python extension's environment");

  const onPath = which("massgen-ls");
  if (onPath) return { command: onPath, args: [], from: "PATH" };

  const own = ownPython(context);
  // An installation that failed half way leaves a Python without the server: it is offered again.
  if (existsSync(own) && (await hasServer(own))) return module(own, "the environment of this extension");

  throw await nothing(bundledWheel(context) !== undefined);
}

function module(python: string, from: string): Found {
  return { command: python, args: ["-m", "massgen_ls"], from };
}

/** Only what came with the extension is offered: a name in a public index may be anybody's. */
async function nothing(bundled: boolean): Promise<NoServer> {
  let old: string | undefined;
  for (const name of ["python3.13", "python3.12", "python3.11", "python3", "python"]) {
    const path = which(name);
    const version = path && (await versionOf(path));
    if (!path || !version) continue;
    if (!tooOld(version)) return new NoServer("massgen-ls is not installed yet.", bundled ? path : undefined);
    old ??= version.join(".");
  }
  const needs = `massgen-ls needs Python ${LOWEST.join(".")} or newer`;
  return new NoServer(
    old ? `${needs}; on PATH there is Python ${old}.` : `${needs}, and there is no Python on PATH.`, undefined);
}

/** An environment of our own, in the extension's storage: nothing else is touched. */
export async function install(context: vscode.ExtensionContext, python: string, say: (line: string) => void): Promise<void> {
  const place = join(context.globalStorageUri.fsPath, "environment");
  const wheel = bundledWheel(context);
  if (!wheel) throw new NoServer("This extension came without the server. Set massgen.server.interpreter.", undefined);
  try {
    await run(python, ["-m", "venv", "--clear", place], say);
    await run(ownPython(context), ["-m", "pip", "install", "--disable-pip-version-check", wheel], say);
  } catch (error) {
    throw new Error(`the server could not be installed (${(error as Error).message}). “Massgen: Show the Log” has all of it.`);
  }
}

export function bundledWheel(context: vscode.ExtensionContext): string | undefined {
  const folder = context.asAbsolutePath("bundled");
  if (!existsSync(folder)) return undefined;
  const name = readdirSync(folder).find((each) => each.startsWith("massgen_ls-") && each.endsWith(".whl"));
  return name && join(folder, name);
}

function ownPython(context: vscode.ExtensionContext): string {
  const place = join(context.globalStorageUri.fsPath, "environment");
  return process.platform === "win32" ? join(place, "Scripts", "python.exe") : join(place, "bin", "python");
}

async function activePython(): Promise<string | undefined> {
  const python = vscode.extensions.getExtension<PythonApi>("ms-python.python");
  if (!python) return undefined;
  try {
    const api = python.isActive ? python.exports : await python.activate();
    return (await api.environments.resolveEnvironment(api.environments.getActiveEnvironmentPath()))?.executable.uri?.fsPath;
  } catch {
    return undefined; // another version of that extension: what else there is will do
  }
}

interface PythonApi {
  readonly environments: {
    getActiveEnvironmentPath(): unknown;
    resolveEnvironment(path: unknown): Promise<{ executable: { uri?: vscode.Uri } } | undefined>;
  };
}

export function tooOld(version: readonly [number, number]): boolean {
  return version[0] < LOWEST[0] || (version[0] === LOWEST[0] && version[1] < LOWEST[1]);
}

async function versionOf(python: string): Promise<[number, number] | undefined> {
  const out = await output(python, ["-c", "import sys; print(*sys.version_info[:2])"]);
  const found = out && /^(\d+) (\d+)/.exec(out);
  return found ? [Number(found[1]), Number(found[2])] : undefined;
}

async function hasServer(python: string): Promise<boolean> {
  const code = "import importlib.util as u; print(u.find_spec('massgen_ls') is not None)";
  return (await output(python, ["-I", "-c", code]))?.startsWith("True") ?? false;
}

function which(name: string): string | undefined {
  const names = process.platform === "win32" ? [`${name}.exe`, `${name}.cmd`] : [name];
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    // A relative entry would be a program of the folder that happens to be open.
    if (!folder.startsWith("/") && !/^[A-Za-z]:[\\/]/.test(folder)) continue;
    for (const each of names) if (existsSync(join(folder, each))) return join(folder, each);
  }
  return undefined;
}

function output(program: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: 20_000, windowsHide: true }, (error, out) => resolve(error ? undefined : out));
  });
}

function run(program: string, args: readonly string[], say: (line: string) => void): Promise<void> {
  say(`> ${program} ${args.join(" ")}`);
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { maxBuffer: 16 * 1024 * 1024, windowsHide: true }, (error, _, err) =>
      error ? reject(new Error(err.trim().split("\n").at(-1) || error.message)) : resolve());
    child.stdout?.on("data", (chunk: Buffer | string) => say(String(chunk).trimEnd()));
    child.stderr?.on("data", (chunk: Buffer | string) => say(String(chunk).trimEnd()));
  });
}
