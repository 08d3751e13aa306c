/** Earlier wishes and templates for new ones. */

export interface Template {
  readonly label: string;
  readonly prompt: string;
}

export const TEMPLATES: readonly Template[] = [
  { label: "Clean up", prompt: "Clean up this code without changing what it does." },
  { label: "Fix the bug", prompt: "Find and fix the bug here. Write a test that fails without the fix." },
  { label: "Add tests", prompt: "Add tests for this code, in this project's own style." },
  { label: "Simplify", prompt: "Simplify this code without changing what it does." },
  { label: "Document", prompt: "Document this code where a reader would ask why." },
  { label: "Speed up", prompt: "Make this code faster, and measure before and after." },
];

const KEPT = 50;

/** The history with a wish at its head; the same wish is in it once. */
export function remember(history: readonly string[], wish: string): string[] {
  const clean = wish.trim();
  if (!clean) return [...history];
  return [clean, ...history.filter((each) => each !== clean)].slice(0, KEPT);
}

/** Templates as the user has configured them; what has not their shape is left out. */
export function readTemplates(node: unknown): Template[] {
  if (!Array.isArray(node)) return [];
  return (node as unknown[]).flatMap((each) => {
    const { label, prompt } = (each ?? {}) as Partial<Template>;
    return typeof label === "string" && typeof prompt === "string" && prompt.trim() ? [{ label, prompt }] : [];
  });
}
