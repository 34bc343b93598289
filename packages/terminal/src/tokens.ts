import type { Option } from './command.ts';

/** One word of a command line, or a part of one. */
export type Token =
  | { readonly kind: 'positional'; readonly value: string }
  | {
      readonly kind: 'option';
      /** Long name of an option that is known; else what was typed, without dashes. */
      readonly name: string;
      readonly rawName: string;
      readonly value: string | undefined;
      /** The value stood in the same word. */
      readonly inlineValue: boolean;
    };

/**
 * Takes words apart as `parseArgs` of `node:util` does (`tokens: true, strict: false`), which the tests hold it to; that one takes a
 * millisecond to load, and every knock would wait for it.
 */
export function tokenize(options: readonly Option[], words: readonly string[]): Token[] {
  const tokens: Token[] = [];
  const queue = [...words];
  const takesValue = (option: Option | undefined): boolean => option?.value !== undefined;
  const push = (name: string, rawName: string, value: string | undefined, inlineValue: boolean): void => {
    tokens.push({ kind: 'option', name, rawName, value, inlineValue });
  };
  const pushWithNext = (option: Option | undefined, name: string, rawName: string): void => {
    push(name, rawName, takesValue(option) ? queue.shift() : undefined, false);
  };
  /** `-abc` is `-a -b -c`, up to one that takes a value. */
  const ungrouped = (group: string): string[] => {
    const letters = group.slice(1).split('');
    const end = letters.findIndex((short) => takesValue(options.find((option) => option.short === short)));
    const flags = letters.slice(0, end < 0 ? undefined : end).map((short) => `-${short}`);
    return end < 0 ? flags : [...flags, `-${letters.slice(end).join('')}`];
  };
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    if (word === '--') {
      tokens.push(...queue.map((value) => ({ kind: 'positional', value }) as const));
      break;
    }
    if (word === '-' || !word.startsWith('-')) {
      tokens.push({ kind: 'positional', value: word });
    } else if (word.startsWith('--')) {
      const equals = word.includes('=', 3) ? word.indexOf('=') : -1;
      const name = word.slice(2, equals < 0 ? undefined : equals);
      if (equals >= 0) push(name, `--${name}`, word.slice(equals + 1), true);
      else
        pushWithNext(
          options.find((option) => option.name === name),
          name,
          word,
        );
    } else {
      const short = word.charAt(1);
      const option = options.find((candidate) => candidate.short === short);
      const name = option?.name ?? short;
      if (word.length === 2) pushWithNext(option, name, word);
      else if (takesValue(option)) push(name, `-${short}`, word.slice(2), true);
      else queue.unshift(...ungrouped(word));
    }
  }
  return tokens;
}
