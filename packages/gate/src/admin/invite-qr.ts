/** An invite as a QR code for a terminal: two modules to a character. */
import { decodeInvite, encodeInvite } from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';
import { encode } from 'uqr';

/** Light modules around a code, as ISO/IEC 18004 asks for. */
const QUIET_ZONE = 4;

/** Said with every code. */
export const QR_REMARK =
  'The code carries the key of suite 1 (X25519) alone: that of suite 2 (post-quantum) is too long for a camera. The text and a file carry both.';

/**
 * The lines of the code. With `colour`, dark on light whatever the terminal's own colours are; without it, light modules are drawn, as
 * on a dark terminal.
 *
 * @throws PersonError where the gate asks for suite 2, or what the invite says is too long for a code
 */
export function inviteQr(text: string, colour: boolean): string[] {
  const invite = decodeInvite(text);
  if (!invite.ok) throw new TypeError(`the daemon made an invite that is ${invite.reason}`);
  if (invite.value.pq === 'required') {
    throw new PersonError('this gate hears only suite 2 (`pq = "required"`), and that key is too long for a QR code', {
      hint: 'hand over the text or a file: `posternd invite NAME --file FILE`',
      exitCode: EXIT.failed,
    });
  }
  const modules = modulesOf(encodeInvite({ ...invite.value, xwing: undefined }));
  const lines: string[] = [];
  for (let row = 0; row < modules.length; row += 2) lines.push(lineOf(modules[row] ?? [], modules[row + 1], colour));
  return lines;
}

function modulesOf(text: string): readonly (readonly boolean[])[] {
  try {
    return encode(text, { ecc: 'L', border: QUIET_ZONE }).data;
  } catch {
    throw new PersonError('the invite is too long for a QR code', {
      hint: 'it names many addresses or services; hand over the text or a file: `posternd invite NAME --file FILE`',
      exitCode: EXIT.failed,
    });
  }
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
