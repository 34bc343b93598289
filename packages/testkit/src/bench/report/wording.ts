/** Numbers as the page writes them. */

/** To three digits that count; `–` where there is none. */
export function digits(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  const size = Math.floor(Math.log10(Math.abs(value)));
  if (size >= 2) return Math.round(value).toLocaleString('en');
  return value.toFixed(Math.min(3, 2 - size));
}

/** Milliseconds. */
export function milliseconds(value: number | null): string {
  return digits(value);
}

/** `7.1 times`. */
export function times(ratio: number | null): string {
  if (ratio === null || !Number.isFinite(ratio)) return '–';
  return `${ratio >= 20 ? Math.round(ratio).toLocaleString('en') : ratio.toFixed(ratio >= 0.1 ? 1 : 2)} times`;
}

/** `10,000`; `–` where there is none. */
export function count(value: number): string {
  return Number.isFinite(value) ? value.toLocaleString('en') : '–';
}
