import process from 'node:process';
import { familyOf, formatAddress } from '@postern/protocol';
import type { Io, Parsed } from '@postern/terminal';
import { join } from 'node:path';
import { addressesOf } from '../ask-host.ts';
import { realSurroundings } from '../dgram-transport.ts';
import { hostName } from '../host.ts';
import { familyOption } from '../option-values.ts';
import { DOOR_FILE, readDoor } from '../ports/door-file.ts';
import { systemSender } from '../ports/knock-sender.ts';
import { familyOfSequence, parseSequence } from '../ports/sequence.ts';
import { firstPath } from '../ports/way.ts';
import { bookOf } from './context.ts';
import { checkOption, delayOption, refuseOthers, usage } from './knock-options.ts';
import { tellKnocked } from './knock-report.ts';

/** Milliseconds between knocks: packets that are closer overtake each other. */
const DELAY_MS = 200;
/** Longest text of a sequence on standard input. */
const INPUT_MAX = 4_096;

/** `postern knock --sequence …` and `--door NAME`: the sequence of a classic door, at any host. */
export async function runSequenceKnock(parsed: Parsed, io: Io): Promise<number> {
  const { values, flags, arguments: typed } = parsed;
  const mode = values['door'] === undefined ? '--sequence' : '--door';
  refuseOthers(parsed, mode, [mode.slice(2), 'delay']);
  const { service, host = '' } = typed;
  if (service !== undefined) throw usage(`\`${service}\` is one argument too many`, 'the door says what opens');
  const [delay, check] = [delayOption(parsed, DELAY_MS), checkOption(parsed)];
  const book = bookOf(parsed);
  const text =
    values['door'] === undefined
      ? await sequenceText(values['sequence'] ?? '')
      : readDoor(book.directory, values['door']);
  const steps = parseSequence(text);
  const family = familyOfSequence(steps, familyOption(parsed));
  // A host that was joined goes by its name here; anything else is a name or an address of the network's.
  const known = hostName(host);
  const joined = known !== undefined && book.names().includes(known) ? book.summary(known) : undefined;
  const addresses = await addressesOf(joined ?? { name: host, addresses: [host] }, family);
  const { transport, after } = realSurroundings();
  const { address, path } = await firstPath(host, addresses, 9, transport);
  path[Symbol.dispose]();

  using sender = systemSender(address);
  for (const [index, { protocol, port }] of steps.entries()) {
    if (index > 0) await new Promise<void>((resolve) => after(delay, resolve));
    await sender.send(protocol, port);
    if (flags.has('verbose')) io.err(`postern: knock ${index + 1} of ${steps.length}: ${protocol}`);
  }
  const bare = values['sequence'] !== undefined && values['sequence'] !== '-';
  const file = join(book.directory, DOOR_FILE);
  return await tellKnocked(
    {
      line: `knocked at ${formatAddress(address)}: ${steps.length} ${steps.length === 1 ? 'packet' : 'packets'}`,
      notes: bare
        ? [
            `the sequence is in the history of the shell now, and \`ps\` shows it: --door NAME reads it from ${file}, \`--sequence -\` from standard input`,
          ]
        : [],
      report: {
        host,
        kind: 'sequence',
        address: formatAddress(address),
        family: familyOf(address),
        packets: steps.length,
      },
      ...{ address, troubles: sender.troubles },
      reasons: [
        'the sequence is not that of the door',
        'a packet was lost, or overtook another: try again, with a longer --delay (the door may allow a longest one, too)',
        'the door is for another address, or for IPv4 or IPv6 only: -4 and -6 choose',
      ],
    },
    check,
    parsed,
    io,
  );
}

async function sequenceText(typed: string): Promise<string> {
  if (typed !== '-') return typed;
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += String(chunk);
    if (text.length > INPUT_MAX) break;
  }
  return text;
}
