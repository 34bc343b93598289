/**
 * Where keys stand in a TOML document (toml.io, v1.1.0): for errors about what a key says, and for editing a file by hand-like small
 * changes. It reads documents that a TOML parser has accepted; of any other text it makes what it can and never fails.
 */

/** A way to a value: keys, and indexes into arrays. */
export type Path = readonly (string | number)[];

/** One place in a document; offsets are UTF-16 units from 0, ranges half-open. */
export interface Place {
  readonly path: Path;
  /** `key` = a key with a value after `=`, `header` = a key in a `[table]` header, `element` = a value in an array. */
  readonly kind: 'key' | 'header' | 'element';
  /** Where the key or element begins. */
  readonly at: number;
  /** The value of a `key` or `element`; both `at` for a header and for the front part of a dotted key. */
  readonly valueAt: number;
  readonly valueEnd: number;
}

/** Deeper than this nothing is read: no configuration is, and arbitrary text may be. */
const DEPTH = 64;

const BARE = /[A-Za-z0-9_-]/;
const QUOTE = /["']/;
const BLANK = /[ \t]/;
const SPACE = /[ \t\r\n]/;
const SCALAR_END = /[,\]}#\r\n]/;

class Scanner {
  readonly places: Place[] = [];
  readonly #text: string;
  readonly #arrays = new Map<string, number>();
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): void {
    let table: (string | number)[] = [];
    while (this.#at < this.#text.length) {
      const before = this.#at;
      this.#passSpace();
      if (this.#text[this.#at] === '[') table = this.#header();
      else if (this.#at < this.#text.length) this.#pair(table, 0);
      this.#passLine();
      if (this.#at === before) this.#at++;
    }
  }

  #header(): (string | number)[] {
    const array = this.#text.startsWith('[[', this.#at);
    this.#at += array ? 2 : 1;
    const keys = this.#keys();
    const path: (string | number)[] = [];
    keys.forEach(({ name, at }, i) => {
      path.push(name);
      this.places.push({ path: [...path], kind: 'header', at, valueAt: at, valueEnd: at });
      const id = JSON.stringify(path);
      const last = this.#arrays.get(id);
      if (array && i === keys.length - 1) {
        const index = last === undefined ? 0 : last + 1;
        this.#arrays.set(id, index);
        path.push(index);
        this.places.push({ path: [...path], kind: 'header', at, valueAt: at, valueEnd: at });
      } else if (last !== undefined) path.push(last);
    });
    return path;
  }

  #pair(table: Path, depth: number): void {
    const keys = this.#keys();
    this.#pass(BLANK);
    if (keys.length === 0 || this.#text[this.#at] !== '=') return;
    this.#at++;
    this.#pass(BLANK);
    const valueAt = this.#at;
    const index = this.places.length;
    this.#value([...table, ...keys.map((key) => key.name)], depth);
    const valueEnd = this.#at;
    const made = keys.map(({ at }, i): Place => {
      const path = [...table, ...keys.slice(0, i + 1).map((key) => key.name)];
      const last = i === keys.length - 1;
      return { path, kind: 'key', at, valueAt: last ? valueAt : at, valueEnd: last ? valueEnd : at };
    });
    this.places.splice(index, 0, ...made);
  }

  #keys(): { name: string; at: number }[] {
    const keys: { name: string; at: number }[] = [];
    for (;;) {
      this.#pass(BLANK);
      const at = this.#at;
      const quoted = QUOTE.test(this.#text.charAt(at));
      if (quoted) this.#passString();
      else this.#pass(BARE);
      if (this.#at === at) return keys;
      const raw = this.#text.slice(at, this.#at);
      keys.push({ name: quoted ? unquote(raw) : raw, at });
      this.#pass(BLANK);
      if (this.#text[this.#at] !== '.') return keys;
      this.#at++;
    }
  }

  #value(path: Path, depth: number): void {
    const first = this.#text[this.#at];
    if (first === '"' || first === "'") this.#passString();
    else if (first === '[' && depth < DEPTH) this.#array(path, depth + 1);
    else if (first === '{' && depth < DEPTH) this.#inlineTable(path, depth + 1);
    else {
      const from = this.#at;
      while (this.#at < this.#text.length && !SCALAR_END.test(this.#text.charAt(this.#at))) this.#at++;
      while (this.#at > from && BLANK.test(this.#text.charAt(this.#at - 1))) this.#at--;
    }
  }

  #array(path: Path, depth: number): void {
    this.#at++;
    for (let i = 0; this.#at < this.#text.length; i++) {
      this.#passSpace();
      const valueAt = this.#at;
      const index = this.places.length;
      if (this.#text[valueAt] !== ']') this.#value([...path, i], depth);
      if (this.#at > valueAt) {
        const place: Place = { path: [...path, i], kind: 'element', at: valueAt, valueAt, valueEnd: this.#at };
        this.places.splice(index, 0, place);
      }
      if (!this.#more(']')) return;
    }
  }

  #inlineTable(path: Path, depth: number): void {
    this.#at++;
    while (this.#at < this.#text.length) {
      this.#passSpace();
      this.#pair(path, depth);
      if (!this.#more('}')) return;
    }
  }

  /** After an element: true at a comma; otherwise takes the closing bracket if it is there. */
  #more(close: string): boolean {
    this.#passSpace();
    const next = this.#text[this.#at];
    if (next === ',' || next === close) this.#at++;
    return next === ',';
  }

  /** Passes over characters while they match. Loops of our own: a pattern's own loop overflows its stack on long text. */
  #pass(pattern: RegExp): void {
    while (this.#at < this.#text.length && pattern.test(this.#text.charAt(this.#at))) this.#at++;
  }

  #passSpace(): void {
    this.#pass(SPACE);
    while (this.#text[this.#at] === '#') {
      this.#passLine();
      this.#pass(SPACE);
    }
  }

  #passLine(): void {
    const end = this.#text.indexOf('\n', this.#at);
    this.#at = end === -1 ? this.#text.length : end + 1;
  }

  /** Passes over a string of any of the four forms; one that does not end goes to the end of its line, or of the text. */
  #passString(): void {
    const quote = this.#text.charAt(this.#at);
    const long = this.#text.startsWith(quote.repeat(3), this.#at);
    this.#at += long ? 3 : 1;
    for (; this.#at < this.#text.length; this.#at++) {
      const here = this.#text[this.#at];
      if (here === '\n' && !long) return;
      if (here === '\\' && quote === '"') this.#at++;
      else if (here === quote && (!long || this.#text.startsWith(quote.repeat(3), this.#at))) break;
    }
    this.#at = Math.min(this.#text.length, this.#at + (long ? 3 : 1));
    // Three closing quotes may have two more before them that belong to the string.
    for (let i = 0; long && i < 2 && this.#text[this.#at] === quote; i++) this.#at++;
  }
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', t: '\t', n: '\n', f: '\f', r: '\r', e: '\x1b' };

function unquote(raw: string): string {
  const body = raw.slice(1, -1);
  if (raw.startsWith("'")) return body;
  return body.replaceAll(/\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|(.))/g, (...found: string[]) => {
    const [, u4, u8, x2, single = ''] = found;
    const code = u4 ?? u8 ?? x2;
    if (code === undefined) return ESCAPES[single] ?? single;
    const point = Number.parseInt(code, 16);
    return point > 0x10ffff ? '\ufffd' : String.fromCodePoint(point);
  });
}

/** Every place of a document, in the order in which they stand. Total: never throws, also for text that is not TOML. */
export function scanToml(text: string): readonly Place[] {
  const scanner = new Scanner(text);
  scanner.document();
  return scanner.places;
}

/** The first place at `path`. */
export function placeOf(places: readonly Place[], path: Path): Place | undefined {
  const wanted = JSON.stringify(path);
  return places.find((place) => place.path.length === path.length && JSON.stringify(place.path) === wanted);
}

/** Line and column, both from 1, columns in UTF-16 units, of an offset. */
export function lineColumn(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  const start = before.lastIndexOf('\n') + 1;
  let line = 1;
  for (let i = before.indexOf('\n'); i !== -1; i = before.indexOf('\n', i + 1)) line++;
  return { line, column: offset - start + 1 };
}

/** Where `path` stands, or the nearest thing above it that stands somewhere; line 1, column 1 if nothing does. */
export function positionOf(text: string, path: Path): { line: number; column: number } {
  const places = scanToml(text);
  for (let length = path.length; length > 0; length--) {
    const place = placeOf(places, path.slice(0, length));
    if (place !== undefined) return lineColumn(text, place.at);
  }
  return { line: 1, column: 1 };
}
