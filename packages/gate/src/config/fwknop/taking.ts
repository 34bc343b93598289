import type { Fate, Note } from '../import-note.ts';
import type { AccessStanza, SecretVariable } from './access-file.ts';
import { isYes, type Variable } from './variable-line.ts';

/** A stanza while it is turned into a native one: what was taken of it, and what is to be said of it. */
export class Taking {
  readonly notes: Note[];
  readonly #stanza: AccessStanza;
  readonly #carried = new Set<string>();

  constructor(stanza: AccessStanza) {
    this.#stanza = stanza;
    this.notes = [...stanza.notes];
  }

  /** Whether something in it cannot be taken over, so that nothing of it is. */
  get refused(): boolean {
    return this.notes.some(({ fate }) => fate === 'refused');
  }

  /** A variable that is carried over, if what comes of it is not refused. */
  take(name: string): Variable | undefined {
    const variable = this.#stanza.values.get(name);
    if (variable !== undefined) this.#carried.add(name);
    return variable;
  }

  /** The same of one whose value is secret. */
  takeSecret(name: string): SecretVariable | undefined {
    const variable = this.#stanza.secrets.get(name);
    if (variable !== undefined) this.#carried.add(name);
    return variable;
  }

  /** The same of a switch, which is off when it is not there. */
  takeYes(name: string): boolean {
    return isYes(this.take(name)?.value);
  }

  has(name: string): boolean {
    return this.#stanza.values.has(name) || this.#stanza.secrets.has(name);
  }

  /** Says something of a variable, or of the whole stanza where it has none of that name. */
  note(fate: Fate, name: string | undefined, text: string, mend?: readonly string[]): void {
    const at = name === undefined ? undefined : (this.#stanza.values.get(name) ?? this.#stanza.secrets.get(name));
    const { file, line } = at ?? this.#stanza;
    if (name !== undefined && fate !== 'weak') this.#carried.delete(name);
    const note: Note = { fate, file, line, text: at === undefined ? text : `${at.name}: ${text}` };
    this.notes.push(mend === undefined ? note : { ...note, mend });
  }

  /** Everything that is to be said, with what was carried over last. */
  told(): readonly Note[] {
    if (this.refused || this.#carried.size === 0) return this.notes;
    const { file, line } = this.#stanza;
    return [...this.notes, { fate: 'carried', file, line, text: [...this.#carried].join(', ') }];
  }
}
