/** Colours for terminals: few, and nothing that says something by its colour alone. */
const paint =
  (code: number) =>
  (text: string, colour: boolean): string =>
    colour ? `\u001b[${code}m${text}\u001b[0m` : text;

/** Headings. */
export const bold: (text: string, colour: boolean) => string = paint(1);
/** What went wrong. */
export const red: (text: string, colour: boolean) => string = paint(31);
/** What to do about it. */
export const cyan: (text: string, colour: boolean) => string = paint(36);

/** Help with its headings (lines that are one word or some, and a colon) in bold. */
export function withHeadings(help: string, colour: boolean): string {
  return help.replaceAll(/^[A-Z][a-z ]*:$/gm, (heading) => bold(heading, colour));
}
