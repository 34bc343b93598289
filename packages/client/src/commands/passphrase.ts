import { EXIT, type Io, type Parsed, PersonError } from '@postern/terminal';
import { realSurroundings } from '../dgram-transport.ts';
import { newLock } from '../locked-file.ts';
import { askNewPassphrase } from '../passphrase.ts';
import { bookOf } from './context.ts';

/** `postern passphrase HOST`. */
export async function runPassphrase(parsed: Parsed, io: Io): Promise<number> {
  const book = bookOf(parsed);
  const { lock: before, ...host } = book.get(parsed.arguments['host'] ?? '');
  const remove = parsed.flags.has('remove');
  if (remove && before === undefined) {
    throw new PersonError(`the key of ${host.name} has no passphrase`, { exitCode: EXIT.usage });
  }
  const lock = remove ? undefined : newLock(askNewPassphrase(host.name), realSurroundings().random);
  await book.update(host.name, ({ lock: _, ...now }) => (lock === undefined ? now : { ...now, lock }));
  if (parsed.flags.has('json')) io.out(JSON.stringify({ host: host.name, passphrase: !remove }));
  else if (!parsed.flags.has('quiet')) {
    const done = remove
      ? 'has no passphrase any more'
      : before === undefined
        ? 'has a passphrase'
        : 'has a new passphrase';
    io.out(`the key of ${host.name} ${done}`);
    if (before === undefined) io.err('postern: note: copies and backups made before hold the key without it');
  }
  return EXIT.ok;
}
