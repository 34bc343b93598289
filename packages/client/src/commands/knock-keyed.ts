import { familyOf, formatAddress, knockOrder, MICROS_PER_SECOND, type UnixMicros } from '@postern/protocol';
import { EXIT, type Io, type Parsed, PersonError } from '@postern/terminal';
import { addressesOf, familyOfSource } from '../ask-host.ts';
import type { HostBook } from '../book.ts';
import { realSurroundings } from '../dgram-transport.ts';
import type { Host } from '../host.ts';
import { familyOption, sourceOption } from '../option-values.ts';
import { type KeyedNumbers, keyedNumbers, type Rounds, sendKeyed } from '../ports/keyed-knock.ts';
import { systemSender } from '../ports/knock-sender.ts';
import { type Way, wayTo } from '../ports/way.ts';
import { formatSeconds, formatTime } from '../words.ts';
import { bookOf, serviceOf } from './context.ts';
import { checkOption, refuseOthers, roundsOption, usage } from './knock-options.ts';
import { tellKnocked } from './knock-report.ts';

/** `postern knock --keyed` and `--print`. */
export async function runKeyedKnock(parsed: Parsed, io: Io): Promise<number> {
  const { flags, values } = parsed;
  const print = flags.has('print');
  refuseOthers(parsed, print ? '--print' : '--keyed', ['keyed', 'source', print ? 'print' : 'protocol']);
  const [rounds, check, choice] = [roundsOption(parsed), checkOption(parsed), sourceOption(parsed)];
  if (print && check !== undefined)
    throw usage('--check does not go with --print', 'nothing is sent that could be seen');
  const asked = familyOfSource(choice, familyOption(parsed));
  const book = bookOf(parsed);
  const host = book.get(parsed.arguments['host'] ?? '');
  const key = knockKeyOf(host);
  const service = serviceOf(host, parsed.arguments['service']);
  const { transport, random, now, after, tick } = realSurroundings();
  const addresses = await addressesOf(host, asked, undefined);
  const way = await wayTo(host.name, addresses, host.port, choice, host.memory, transport);
  const { offset } = host.memory.sender;
  const { source } = way;
  const numbers = keyedNumbers({ key, service, source, now: now(), offset });
  const facts = { host: host.name, service, ...factsOf(way), validUntil: utc(numbers.until) };
  if (print) {
    const list = knockOrder(numbers.first, numbers.bound, random);
    if (flags.has('json')) io.out(JSON.stringify({ ...facts, validFrom: utc(numbers.from), numbers: list }));
    else {
      for (const number of list) io.out(String(number));
      for (const note of printNotes(numbers, way, now())) io.err(`postern: note: ${note}`);
    }
    return EXIT.ok;
  }

  const again = host.knockedSlot === numbers.slot;
  const unsaved = again ? undefined : await remember(book, host, numbers.slot);
  using sender = systemSender(way.address);
  const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => after(milliseconds, resolve));
  const start = tick();
  const packets = await sendKeyed(numbers, rounds, sender, pause, random);
  if (flags.has('verbose')) {
    io.err(`postern: ${packets / 2} numbers by ${rounds.join(' and then by ')} in ${Math.round(tick() - start)} ms`);
  }
  const spare = values['source'] === undefined && asked === undefined ? otherFamily(way, addresses) : undefined;
  const next = `${formatTime(numbers.next, now())} (in ${secondsUntil(numbers.next, now())})`;
  const bound = source === undefined ? 'bound to no address' : `bound to ${formatAddress(source)}`;
  return await tellKnocked(
    {
      line: `knocked for "${service}" on ${host.name}: ${packets} packets to ${formatAddress(way.address)}, ${bound}`,
      notes: [
        ...wayNotes(host, way),
        ...(again
          ? [
              `this device has knocked in this slot before, and a slot opens once: if that knock opened, this one does nothing. The next slot begins at ${next}`,
            ]
          : []),
        ...(spare === undefined
          ? []
          : [`this was for IPv${familyOf(way.address)}; -${spare} knocks for IPv${spare}, from ${next} on`]),
        ...(unsaved === undefined ? [] : [`could not remember this slot: ${unsaved}`]),
      ],
      report: { ...facts, kind: 'keyed', packets, rounds, again, nextSlot: utc(numbers.next) },
      ...{ address: way.address, troubles: sender.troubles, reasons: reasons(host, way, again, rounds, now()) },
    },
    check,
    parsed,
    io,
  );
}

function knockKeyOf({ name, enrolment, knockKey }: Host): Uint8Array {
  if (enrolment !== undefined) {
    throw new PersonError(`${name} has not answered the invite yet`, {
      hint: `\`postern join --name ${name}\` asks again`,
    });
  }
  if (knockKey === undefined) {
    throw new PersonError(`this device has no key for keyed knocks at ${name}: it joined with an older version`, {
      hint: `ask for a new invite, then \`postern hosts remove ${name}\` and \`postern join\``,
      exitCode: EXIT.configuration,
    });
  }
  return knockKey;
}

/** Remembers the slot; what went wrong if it could not: a full disk keeps nobody out. */
async function remember(book: HostBook, { name }: Host, slot: number): Promise<string | undefined> {
  try {
    await book.update(name, (host) => ({ ...host, knockedSlot: slot }));
    return undefined;
  } catch (error) {
    if (error instanceof PersonError) return error.message;
    throw error;
  }
}

function factsOf({ address, source, origin }: Way): Readonly<Record<string, unknown>> {
  return {
    address: formatAddress(address),
    family: familyOf(address),
    source: source === undefined ? null : formatAddress(source),
    sourceFrom: origin,
  };
}

function wayNotes(host: Host, { source, origin }: Way): string[] {
  if (source === undefined) return ['without an address only a service with `observed_source = true` opens'];
  if (origin !== 'local') return [];
  return [
    `${host.name} never said how it sees this device on this network. If an address translation is in between, --source ADDRESS states what it makes of ${formatAddress(source)}; or the service must have \`observed_source = true\``,
  ];
}

function printNotes(numbers: KeyedNumbers, way: Way, now: UnixMicros): string[] {
  const whose = way.source === undefined ? 'from anywhere' : `from ${formatAddress(way.source)}`;
  return [
    `for ${formatAddress(way.address)}, ${whose}, within 10 s and until ${formatTime(numbers.until, now)} (${secondsUntil(numbers.until, now)}); one knock a slot opens`,
    'secret until then: where the service has `observed_source = true`, who reads them can knock from anywhere',
  ];
}

function reasons(host: Host, { source, origin }: Way, again: boolean, rounds: Rounds, now: UnixMicros): string[] {
  const clock = `${new Date((now + host.memory.sender.offset) / 1000).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
  const blocked = new Set(rounds).size === 1 ? `${rounds[0]} to unusual ports is` : 'udp and tcp to unusual ports are';
  return [
    ...(again ? ['the knock before in this slot opened, and a slot opens once'] : []),
    ...(origin === 'stated' || origin === 'seen'
      ? []
      : [
          source === undefined
            ? 'the service does not open for an observed source'
            : `${host.name} sees this device elsewhere than at ${formatAddress(source)}: --source ADDRESS states where`,
        ]),
    'the service has no `keyed = true`, or the user may not open it',
    `the clock is off by more than 30 seconds: corrected by what ${host.name} told last, it says ${clock}`,
    `${blocked} blocked on the way: \`postern knock\` without --keyed needs one udp port only`,
    `${host.name} was set up, lost its state, or had its clock set within the last minute or two`,
  ];
}

function otherFamily({ address }: Way, addresses: readonly Uint8Array[]): 4 | 6 | undefined {
  const family = familyOf(address);
  return addresses.some((other) => familyOf(other) !== family) ? (family === 4 ? 6 : 4) : undefined;
}

function secondsUntil(time: UnixMicros, now: UnixMicros): string {
  return formatSeconds(Math.ceil((time - now) / MICROS_PER_SECOND));
}

function utc(time: UnixMicros): string {
  return new Date(time / 1000).toISOString();
}
