/**
 * The words of a command, as a shell would split them that knows quotes and backslashes and nothing else: what is an operator to a shell is text here.
 * Undefined for a quote or a backslash that has no end.
 */
export function splitArgv(command: string): readonly string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < command.length; at++) {
    const character = command[at] ?? '';
    if (character === ' ' || character === '\t') {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === '"' || character === "'") {
      const end = command.indexOf(character, at + 1);
      if (end < 0) return undefined;
      word = (word ?? '') + command.slice(at + 1, end);
      at = end;
    } else if (character === '\\') {
      const next = command[++at];
      if (next === undefined) return undefined;
      word = (word ?? '') + next;
    } else word = (word ?? '') + character;
  }
  if (word !== undefined) words.push(word);
  return words;
}
