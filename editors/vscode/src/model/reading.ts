/** Reading what came as JSON: what has another shape is as good as nothing. */

export function field(node: unknown, name: string): unknown {
  return typeof node === "object" && node !== null ? (node as Record<string, unknown>)[name] : undefined;
}

export function text(node: unknown): string {
  return typeof node === "string" ? node : "";
}

export function number(node: unknown): number {
  return typeof node === "number" && Number.isFinite(node) ? node : 0;
}

export function list(node: unknown): unknown[] {
  return Array.isArray(node) ? (node as unknown[]) : [];
}
