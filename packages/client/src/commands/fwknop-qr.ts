import { EXIT, PersonError } from '@postern/terminal';
import { readKeys } from '../fwknop/keys.ts';
import { askPosternd } from '../fwknop/posternd.ts';
import { formatQrText } from '../fwknop/qr-text.ts';
import { switchOf } from '../fwknop/read-setting.ts';
import type { FwknopRun } from '../fwknop/run.ts';

/** `--show-qr`: the keys for an app, as the text of a QR code and, where posternd can draw it, as a picture. */
export async function showFwknopQr({ settings, input, io, note }: FwknopRun): Promise<number> {
  if (switchOf(settings, 'USE_GPG')) {
    throw new PersonError('a QR code carries shared keys, and no key of gpg', { exitCode: EXIT.usage });
  }
  const { key, hmac } = readKeys(settings, input);
  const text = formatQrText(key, hmac);
  note('whoever sees this has the keys. It names no server: that, the port and what to open are typed into the app');
  const answer = await askPosternd(['draw-qr', ...(io.colour ? ['--colour'] : [])], text);
  if (answer?.code === 0) io.out(answer.output.toString().trimEnd());
  else note('the picture needs the posternd package on this machine, or `qrencode -t ansiutf8` with this text');
  io.out(text);
  return EXIT.ok;
}
