/** An invite as a QR code for a terminal. */
import { decodeInvite, encodeInvite } from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';
import { drawQr } from './qr.ts';

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
  const lines = drawQr(encodeInvite({ ...invite.value, xwing: undefined }), 'L', colour);
  if (lines !== undefined) return lines;
  throw new PersonError('the invite is too long for a QR code', {
    hint: 'it names many addresses or services; hand over the text or a file: `posternd invite NAME --file FILE`',
    exitCode: EXIT.failed,
  });
}
