import { EXIT, formatTable, type Io, type Parsed, PersonError } from '@postern/terminal';
import { rcPathOf } from '../fwknop/layers.ts';
import { readFwknoprc } from '../fwknop/rc-file.ts';
import { saveStanza } from '../fwknop/rc-stanza.ts';
import { parseQrText } from '../fwknop/qr-text.ts';
import { type StanzaReview, reviewStanzas } from '../fwknop/review.ts';
import { inviteFromFile, textFromInput } from '../read-invite.ts';

/** `postern import fwknoprc`. */
export async function runImportFwknoprc(parsed: Parsed, io: Io): Promise<number> {
  const { arguments: typed, values, flags } = parsed;
  const path = typed['file'] ?? rcPathOf({ words: new Map() }) ?? '.fwknoprc';
  if (values['qr-text'] !== undefined) return keepQrText(parsed, path, values['qr-text'], io);
  const stray =
    ['name', 'server', 'access'].find((name) => values[name] !== undefined) ??
    (flags.has('force') ? 'force' : undefined);
  if (stray !== undefined) throw new PersonError(`--${stray} goes with --qr-text`, { exitCode: EXIT.usage });
  const file = readFwknoprc(path);
  if (file === undefined) {
    throw new PersonError(`there is no ${path}`, { hint: 'FILE names another one', exitCode: EXIT.configuration });
  }
  const reviews = reviewStanzas(file);
  if (flags.has('json')) io.out(JSON.stringify({ file: path, stanzas: reviews }));
  else if (reviews.length === 0) io.err(`postern: ${path} has no stanza`);
  else show(reviews, path, io);
  return EXIT.ok;
}

function show(reviews: readonly StanzaReview[], path: string, io: Io): void {
  const rows = reviews.map(({ name, server, opens, cipher }) => [name, server ?? '-', opens ?? '-', cipher]);
  io.out(formatTable(['STANZA', 'SERVER', 'OPENS', 'CIPHER'], rows));
  for (const { name, line, remarks, commands } of reviews) {
    io.out(`\n[${name}] (${path}:${line})`);
    for (const remark of remarks) io.out(`  ${remark}`);
    io.out(`  instead, once posternd runs there and its admin has made an invite (\`posternd invite NAME\`):`);
    for (const command of commands) io.out(`    ${command}`);
  }
}

async function keepQrText({ values, flags }: Parsed, path: string, from: string, io: Io): Promise<number> {
  const { name = values['server'], server, access } = values;
  if (name === undefined) {
    throw new PersonError('what shall the stanza be called?', {
      hint: '--name, or --server: a QR code names none',
      exitCode: EXIT.usage,
    });
  }
  const text =
    from === '-'
      ? await textFromInput('paste the text of the code and press Enter (it is not shown):', io.err)
      : inviteFromFile(from);
  const keys = parseQrText(text);
  const more = [
    ...(server === undefined ? [] : [{ name: 'SPA_SERVER', value: server, from: '--server' } as const]),
    ...(access === undefined ? [] : [{ name: 'ACCESS', value: access, from: '--access' } as const]),
    { name: 'ALLOW_IP', value: 'resolve', from: 'the usual' } as const,
  ];
  await saveStanza(path, name, [...more, ...keys], flags.has('force'));
  if (flags.has('json')) io.out(JSON.stringify({ file: path, stanza: name }));
  else io.out(`kept as [${name}] in ${path}; try: postern fwknop -n ${name} --test`);
  return EXIT.ok;
}
