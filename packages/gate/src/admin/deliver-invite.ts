/** How an invite leaves this host: as a line, in a file, or as a QR code. */
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { EXIT, type Io, type Option, type Parsed, PersonError } from '@postern/terminal';
import type { InviteValue } from './protocol.ts';
import { showTime } from './wording.ts';

/** The ways other than the line. */
export const DELIVERY: readonly Option[] = [
  { name: 'file', value: 'FILE', help: 'write the invite into a new file that only you can read' },
  { name: 'qr', help: 'show the invite as a QR code, for a camera (key of suite 1 only)' },
];

/** Where an invite is to go, made sure of before there is one. */
export interface Delivery extends Disposable {
  deliver(value: InviteValue, io: Io): Promise<void>;
}

/** @throws PersonError for ways that exclude each other, and a file that cannot be made: no invite was made then */
export function openDelivery({ values, flags }: Parsed): Delivery {
  const { file } = values;
  const [qr, json] = [flags.has('qr'), flags.has('json')];
  if (qr && (json || file !== undefined)) {
    throw new PersonError(`--qr and ${json ? '--json' : '--file'} exclude each other`, { exitCode: EXIT.usage });
  }
  const written = file === undefined ? undefined : newFile(file);
  return {
    deliver: async (value, io) => {
      written?.keep(`${value.invite}\n`);
      if (json) {
        const { invite: _, ...rest } = value;
        io.out(JSON.stringify(file === undefined ? value : { ...rest, file }));
        return;
      }
      if (qr) {
        const { inviteQr, QR_REMARK } = await import('./invite-qr.ts');
        for (const line of inviteQr(value.invite, io.colour)) io.out(line);
        io.err(QR_REMARK);
      } else if (file === undefined) io.out(value.invite);
      explain(value, file, io);
    },
    [Symbol.dispose]: () => written?.[Symbol.dispose](),
  };
}

/** Everything but the invite itself goes to standard error, so that the line can be piped on. */
function explain(value: InviteValue, file: string | undefined, io: Io): void {
  io.err('');
  io.err(`This invites one device of ${value.user}, until ${showTime(value.expires)}. On that device:`);
  io.err(`  postern join ${file === undefined ? 'INVITE' : `--file ${file}`}`);
  if (value.services.length === 0) io.err(`${value.user} may open no service yet.`);
  else io.err(`It may then open: ${value.services.join(', ')}.`);
}

interface NewFile extends Disposable {
  keep(text: string): void;
}

/** A file that is removed again unless something is kept in it. */
function newFile(path: string): NewFile {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'wx', 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new PersonError(`cannot make ${path}: ${code === 'EEXIST' ? 'there is such a file already' : String(code)}`, {
      hint: 'a new file is expected; no invite was made',
      exitCode: EXIT.usage,
    });
  }
  let kept = false;
  return {
    keep: (text) => {
      writeSync(descriptor, text);
      kept = true;
    },
    [Symbol.dispose]: () => {
      closeSync(descriptor);
      if (!kept) unlinkSync(path);
    },
  };
}
