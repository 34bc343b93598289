/** What the client tells its owner, in plain words. */
import { familyOf, formatAddress, formatPrefix, MICROS_PER_SECOND, type UnixMicros } from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';
import type { Answer, Outcome } from './outcome.ts';
import type { Host } from './host.ts';
import type { Attempt, KnockResult } from './knock.ts';
import type { Ask } from './request.ts';

/** A duration in seconds as people say it: `30 s`, `2 min 5 s`, `1 h`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 120) return `${whole} s`;
  const parts = [
    [Math.floor(whole / 3600), 'h'],
    [Math.floor((whole % 3600) / 60), 'min'],
    [whole % 60, 's'],
  ] as const;
  return parts
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ');
}

/** A time of day on this device's clock; with the date when that is another day than `now`'s. */
export function formatTime(time: UnixMicros, now: UnixMicros): string {
  const [then, today] = [new Date(time / 1000), new Date(now / 1000)];
  const two = (value: number): string => String(value).padStart(2, '0');
  const clock = [then.getHours(), then.getMinutes(), then.getSeconds()].map(two).join(':');
  if (then.toDateString() === today.toDateString()) return clock;
  return `${then.getFullYear()}-${two(then.getMonth() + 1)}-${two(then.getDate())} ${clock}`;
}

/** A round trip or the like in microseconds: `0.8 ms`, `23 ms`, `1.9 s`. */
export function formatMicros(micros: number): string {
  const milliseconds = micros / 1000;
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
}

/** The line for a request that was granted. */
export function successLine(host: Host, ask: Ask, answer: Answer): string {
  const roundTrip = `round trip ${formatMicros(answer.roundTrip)}`;
  switch (ask.kind) {
    case 'open':
    case 'extend': {
      const { receipt, received, source } = answer;
      const seconds = (receipt.end - receipt.now) / MICROS_PER_SECOND;
      // The end by this device's clock, which is what its owner looks at.
      const until = (receipt.end - receipt.now + received) as UnixMicros;
      const whom = source === undefined ? formatAddress(receipt.address) : formatPrefix(source);
      const once = ask.kind === 'open' && ask.singleUse ? ', for one connection' : '';
      const verb = ask.kind === 'open' ? 'opened' : 'extended';
      const end = `until ${formatTime(until, received)} (${formatSeconds(seconds)}${once})`;
      return `${verb} "${ask.service}" on ${host.name} for ${whom} ${end}, ${roundTrip}`;
    }
    case 'close':
      return `closed "${ask.service}" on ${host.name} for this device, ${roundTrip}`;
    case 'whoami':
      return `${host.name} sees this device at ${formatAddress(answer.receipt.address)}, ${roundTrip}`;
    case 'enrol':
      return `joined ${host.name}, ${roundTrip}`;
  }
}

/** What was put right on the way, a line each. */
export function remarks(host: Host, answer: Answer): string[] {
  const lines: string[] = [];
  const corrected = Math.abs(answer.clockCorrected) / MICROS_PER_SECOND;
  if (corrected >= 1) {
    const off = answer.clockOffset / MICROS_PER_SECOND;
    const side = `${formatSeconds(Math.abs(off))} ${off > 0 ? 'behind' : 'ahead of'}`;
    const now = Math.abs(off) < 1 ? 'this device agrees with' : `this device is ${side}`;
    lines.push(`corrected the clock by ${formatSeconds(corrected)}: ${now} ${host.name}`);
  }
  if (answer.resynced)
    lines.push(`${host.name} has lost its state since the last time; nothing is wrong with this device`);
  if (answer.unsaved !== undefined) lines.push(`could not keep what ${host.name} told: ${answer.unsaved}`);
  return lines;
}

/** What became of the other family where one was granted, a line each; nothing where there is no way by it. */
export function familyRemarks(host: Host, result: KnockResult): string[] {
  return result.flatMap(({ address, outcome }) => {
    const way = `IPv${familyOf(address)} (${formatAddress(address)})`;
    const spare = `-${familyOf(address) === 6 ? 4 : 6} saves the wait`;
    if (outcome.kind === 'silent' || outcome.kind === 'given-up')
      return [`${host.name} did not answer over ${way}; ${spare}`];
    return outcome.kind === 'answered' && outcome.status !== 'ok' ? [`${outcome.status} over ${way}`] : [];
  });
}

/** The error for a knock of which nothing came. */
export function failure(
  host: Host,
  ask: Ask,
  result: KnockResult,
  context: { now: UnixMicros; patience: number },
): PersonError {
  const [attempt] = [...result].sort((a, b) => weight(a.outcome) - weight(b.outcome));
  if (attempt === undefined) return new PersonError(`${host.name} has no address`, { exitCode: EXIT.configuration });
  const { outcome } = attempt;
  switch (outcome.kind) {
    case 'answered':
      return refusal(host, ask, outcome);
    case 'silent':
      return outcome.seen === undefined ? silence(host, ask, result, context) : halfSilence(host, ask, outcome.seen);
    case 'unreachable':
      return new PersonError(`there is no way to ${host.name} from here: ${result.map(unreachable).join(', ')}`, {
        hint: 'is this device online? an IPv6 address needs IPv6 here, an IPv4 address IPv4',
        exitCode: EXIT.silent,
      });
    case 'given-up':
      return new PersonError('given up');
  }
}

/** What says most about a failure comes first. */
function weight(outcome: Outcome): number {
  switch (outcome.kind) {
    case 'answered':
      return 0;
    case 'silent':
      return outcome.seen === undefined ? 2 : 1;
    case 'unreachable':
      return 3;
    case 'given-up':
      return 4;
  }
}

function unreachable({ address, outcome }: Attempt): string {
  return `${formatAddress(address)} (${outcome.kind === 'unreachable' ? outcome.code : outcome.kind})`;
}

function refusal(host: Host, ask: Ask, { status }: Answer): PersonError {
  const service = 'service' in ask ? ` "${ask.service}"` : '';
  if (status === 'not-permitted') {
    const nothing = ask.kind === 'extend' ? 'there may be nothing to extend: knock without --extend; else ' : '';
    const known = host.services.length === 0 ? 'none' : host.services.join(', ');
    return new PersonError(`not permitted: ${host.name} does not let this device ${ask.kind}${service} in this way`, {
      hint: `${nothing}ask its admin for leave; the invite was for: ${known}`,
      exitCode: EXIT.notPermitted,
    });
  }
  if (status === 'failed') {
    return new PersonError(
      `${host.name} heard this device, but could not ${ask.kind}${service}: something failed there`,
      {
        hint: 'its log says what: `journalctl -u posternd` on the gate',
      },
    );
  }
  const what = status === 'clock' ? "that this device's clock is wrong" : 'that it has lost its state';
  return new PersonError(`${host.name} said again and again ${what}`, {
    hint: 'a clock on one of the two sides seems to jump; try again, and with --verbose',
  });
}

function halfSilence(host: Host, ask: Ask, seen: Uint8Array): PersonError {
  const choice = 'source' in ask ? ask.source : 'auto';
  const message = `${host.name} is there and sees this device at ${formatAddress(seen)}, but does not answer this request`;
  if (choice === 'observed') {
    return new PersonError(message, {
      hint: 'the service may not let a request leave its source to the gate: try without `--source observed`',
      exitCode: EXIT.silent,
    });
  }
  if (choice !== 'auto') {
    return new PersonError(message, {
      hint: `it opens only for the address that a request comes from, and ${formatAddress(seen)} is not in ${formatPrefix(choice)}: try without --source`,
      exitCode: EXIT.silent,
    });
  }
  return new PersonError(message, {
    hint: "the provider's address translation may give each packet another address: try another network, or --source PREFIX if the service allows one",
    exitCode: EXIT.silent,
  });
}

function silence(
  host: Host,
  ask: Ask,
  result: KnockResult,
  { now, patience }: { now: UnixMicros; patience: number },
): PersonError {
  const silent = result.filter(({ outcome }) => outcome.kind === 'silent');
  const where = silent.map(({ address }) => formatAddress(address)).join(' and ');
  const packets = silent.reduce((sum, { outcome }) => sum + (outcome.kind === 'silent' ? outcome.tries : 0), 0);
  const troubles = new Set(silent.flatMap(({ outcome }) => (outcome.kind === 'silent' ? outcome.troubles : [])));
  const clock = `${new Date(now / 1000).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
  const expired = host.enrolment !== undefined && host.enrolment.expires <= now;
  const reasons = [
    ...(troubles.has('ECONNREFUSED')
      ? [
          `the machine at ${where} says that nothing listens there: a gate never says so. Wrong address, or posternd is not running`,
        ]
      : []),
    ...(['EHOSTUNREACH', 'ENETUNREACH'].some((code) => troubles.has(code))
      ? ['the network says that the address cannot be reached: wrong address, or the gate is off']
      : []),
    ...(troubles.has('EPERM') || troubles.has('EACCES') ? ["this machine's own firewall stops the packets"] : []),
    ask.kind === 'enrol'
      ? `the invite was used by another device${expired ? ', or has expired (by this clock it has)' : ', or has expired'}: ask for a new one`
      : 'this device or its user was revoked or has expired: ask the admin of the gate',
    `this device's clock is off by more than 68 minutes: it says ${clock}`,
    `UDP to port ${host.port} is blocked on the way: try another network`,
    'the gate is down, or has another address now',
  ];
  return new PersonError(
    `no answer from ${host.name} at ${where}, udp port ${host.port}, in ${formatSeconds(patience / 1000)} (${packets} packets)`,
    {
      hint: [
        'a gate is silent to all whom it does not know; so this can mean:',
        ...reasons.map((reason) => `  - ${reason}`),
      ].join('\n'),
      exitCode: EXIT.silent,
    },
  );
}
