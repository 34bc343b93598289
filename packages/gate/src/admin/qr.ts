/** QR codes for a terminal: two modules to a character. */
import { encode } from 'uqr';

/** Light modules around a code, as ISO/IEC 18004 asks for. */
const QUIET_ZONE = 4;

/**
 * The lines of a code, or undefined for a text that is too long for one. With `colour`, dark on light whatever the terminal's own colours are; without
 * it, light modules are drawn, as on a dark terminal.
 */
export function drawQr(text: string, level: 'L' | 'Q', colour: boolean): string[] | undefined {
  let modules: readonly (readonly boolean[])[];
  try {
    modules = encode(text, { ecc: level, border: QUIET_ZONE }).data;
  } catch {
    return undefined;
  }
  const lines: string[] = [];
  for (let row = 0; row < modules.length; row += 2) lines.push(lineOf(modules[row] ?? [], modules[row + 1], colour));
  return lines;
}

/** One line of characters for two rows of modules, true being dark; there is nothing below the last row of an odd number. */
function lineOf(upper: readonly boolean[], lower: readonly boolean[] | undefined, colour: boolean): string {
  const ink = (dark: boolean): boolean => dark === colour;
  const characters = upper.map((dark, column) => {
    const [above, below] = [ink(dark), ink(lower?.[column] ?? !colour)];
    return above ? (below ? '█' : '▀') : below ? '▄' : ' ';
  });
  return colour ? `\u001b[30;107m${characters.join('')}\u001b[0m` : characters.join('');
}
