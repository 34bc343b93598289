/** Control characters, line and paragraph separators, and marks that turn the direction of text. */
const HARMFUL = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;

/**
 * Text from elsewhere (a file name, a key in a file, a word that was typed) as it may be shown on a terminal: what could move the
 * cursor, change colours or turn the order of letters is written as an escape, `\u001b`; a lone surrogate as U+FFFD.
 */
export function printable(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(HARMFUL, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
