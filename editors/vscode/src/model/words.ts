/** Numbers and outcomes in words. */

export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function money(dollars: number | null): string {
  if (dollars === null) return "";
  if (dollars === 0) return "$0";
  return dollars < 0.01 ? `$${dollars.toFixed(4)}` : `$${dollars.toFixed(2)}`;
}

export function tokens(count: number): string {
  if (count === 0) return "";
  if (count < 1000) return `${count} tokens`;
  if (count < 1_000_000) return `${(count / 1000).toFixed(count < 10_000 ? 1 : 0)}k tokens`;
  return `${(count / 1_000_000).toFixed(1)}M tokens`;
}

export function counted(count: number, thing: string, things = `${thing}s`): string {
  return count === 1 ? `1 ${thing}` : `${count} ${things}`;
}

export function oneLine(text: string, limit = 60): string {
  const flat = text.split(/\s+/).join(" ").trim();
  return flat.length <= limit ? flat : `${flat.slice(0, limit - 1)}…`;
}

export function joined(...parts: readonly (string | false | undefined)[]): string {
  return parts.filter((part) => part).join(" · ");
}
