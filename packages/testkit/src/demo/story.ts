/** How the demo talks: chapters, sentences with measured times, and a claim that is checked before it is printed. */

/** A claim of the story that turned out false. */
export class BrokenPromise extends Error {}

/** Prints the demo's story. */
export class Story {
  readonly #write: (line: string) => void;
  readonly #bold: (text: string) => string;
  #chapter = 0;

  constructor(write: (line: string) => void, colour: boolean) {
    this.#write = write;
    this.#bold = colour ? (text) => `\u001b[1m${text}\u001b[0m` : (text) => text;
  }

  /** Begins a chapter. */
  chapter(title: string): void {
    this.#chapter++;
    this.#write('');
    this.#write(this.#bold(`${String(this.#chapter)}. ${title}`));
  }

  /** Says what is done. */
  say(text: string): void {
    this.#write(`   ${text}`);
  }

  /** Shows a line that somebody typed. */
  typed(who: string, line: string): void {
    this.#write(`   ${who}$ ${line}`);
  }

  /** Shows what a program printed. */
  printed(text: string): void {
    for (const line of text.trimEnd().split('\n')) this.#write(`     ${line}`);
  }

  /** Says something that is true, or ends the story. `detail` is shown when it is not. */
  claim(truth: boolean, text: string, detail = ''): void {
    if (!truth) throw new BrokenPromise(`${text}${detail === '' ? '' : `\n${detail}`}`);
    this.#write(`   ${this.#bold('ok')} ${text}`);
  }
}
