import process from 'node:process';
import { EXIT, PersonError, type Command } from '@postern/terminal';

/** More than a code holds. */
const TEXT_MAX = 4_096;

/** `posternd draw-qr`, which `postern fwknop --show-qr` runs: the client has no packages. */
export const drawQrCommand: Command = {
  name: 'draw-qr',
  summary: 'draw the text on standard input as a QR code',
  hidden: true,
  options: [{ name: 'colour', help: "dark on light, whatever the terminal's colours are" }],
  examples: [{ line: 'posternd draw-qr < text', does: 'draws it' }],
  run: async ({ flags }, io) => {
    const { drawQr } = await import('../qr.ts');
    let text = '';
    for await (const chunk of process.stdin.setEncoding('utf8')) {
      text += String(chunk);
      if (text.length > TEXT_MAX) break;
    }
    const lines = drawQr(text.trimEnd(), 'Q', flags.has('colour'));
    if (lines === undefined) throw new PersonError('the text is too long for a QR code', { exitCode: EXIT.failed });
    io.out(lines.join('\n'));
    return EXIT.ok;
  },
};
