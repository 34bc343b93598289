import { formatAddress, MICROS_PER_SECOND, REFUSALS, type Refusal, type UnixMicros } from '@postern/protocol';
import { askedFor, fromAndFor, type FwknopEvent } from './fwknop.ts';
import type { KnockEvent } from './knocks.ts';
import { messageOf, type Log } from './log.ts';
import type { GateEvent } from './requests.ts';

/** Refusals of port knocks that come with every knock, or with every reload. */
const QUIET: readonly string[] = ['past', 'slot-used', 'source-leave'];

/** What happens at a gate, counted and told: a line for what a device or a door did, and what strangers can cause at most now and then. */
export class EventLog {
  /** How often something was opened since the start. */
  granted = 0;
  readonly #log: Log;
  readonly #clock: () => UnixMicros;
  readonly #refused = new Uint32Array(REFUSALS.length);
  #recordFailed = 0;
  #troubled = 0;
  #knockRefused = 0;
  #fwknopRefused = 0;

  constructor(log: Log, clock: () => UnixMicros) {
    this.#log = log;
    this.#clock = clock;
  }

  /** Refusals of the monitor by reason since the start. */
  refusals(): Partial<Record<Refusal, number>> {
    const counted: Partial<Record<Refusal, number>> = {};
    this.#refused.forEach((count, index) => {
      const reason = REFUSALS[index];
      if (reason !== undefined && count > 0) counted[reason] = count;
    });
    return counted;
  }

  /** Counts a refusal. */
  count(reason: Refusal): void {
    const index = REFUSALS.indexOf(reason);
    this.#refused[index] = (this.#refused[index] ?? 0) + 1;
  }

  /** Logs what went wrong, at most once in ten seconds: some of it can happen with every packet. */
  trouble(what: string, error: unknown): void {
    const now = this.#clock();
    if (Math.abs(now - this.#troubled) < 10 * MICROS_PER_SECOND) return;
    this.#troubled = now;
    this.#log('error', what, { error: messageOf(error) });
  }

  /** Tells what became of a request. */
  request(event: GateEvent): void {
    const log = this.#log;
    switch (event.kind) {
      case 'opened':
      case 'extended': {
        if (event.retry) return;
        this.granted++;
        const { grant, member } = event;
        log('info', event.kind, {
          service: grant.service,
          user: member.user.name,
          device: member.device.name,
          source: formatAddress(grant.source.address),
          until: new Date(grant.ends / 1000).toISOString(),
          grant: grant.id,
        });
        return;
      }
      case 'closed':
        log('info', 'closed', {
          service: event.service,
          user: event.member.user.name,
          device: event.member.device.name,
          grants: event.grants,
        });
        return;
      case 'enrolled':
        log('info', 'enrolled', { user: event.user, device: event.device, again: event.again });
        return;
      case 'raced':
        log('warning', 'raced: a copy of an observed-source request came from a second address', {
          user: event.member.user.name,
          device: event.member.device.name,
          first: formatAddress(event.first),
          second: formatAddress(event.second),
        });
        return;
      case 'told':
        this.count(event.reason);
        log('info', 'not opened', {
          reason: event.reason,
          user: event.member.user.name,
          device: event.member.device.name,
          clock: `${String(Math.round(event.offset / MICROS_PER_SECOND))}s`,
        });
        return;
      case 'record-failed':
        if (event.opened !== undefined) {
          const { grant, member } = event.opened;
          log('error', 'opened for a moment and taken back', {
            service: grant.service,
            user: member.user.name,
            device: member.device.name,
            source: formatAddress(grant.source.address),
            grant: grant.id,
          });
        }
        if (Math.abs(this.#clock() - this.#recordFailed) > 10 * MICROS_PER_SECOND) {
          this.#recordFailed = this.#clock();
          log('error', 'a request could not be recorded and was refused', {
            error: event.error,
            hint: 'is the disk of the state directory full?',
          });
        }
    }
  }

  /** Tells what became of port knocks. */
  knock(event: KnockEvent): void {
    const log = this.#log;
    switch (event.kind) {
      case 'door':
        this.granted++;
        log('info', 'opened', {
          door: event.door.name,
          service: event.door.opens?.service,
          source: formatAddress(event.opener.source),
          until: event.grant === undefined ? undefined : new Date(event.grant.ends / 1000).toISOString(),
          grant: event.grant?.id,
        });
        return;
      case 'keyed':
        this.granted++;
        log('info', 'opened', {
          by: 'keyed knock',
          service: event.grant.service,
          user: event.member.user.name,
          device: event.member.device.name,
          source: formatAddress(event.grant.source.address),
          bound: event.bound,
          until: new Date(event.grant.ends / 1000).toISOString(),
          grant: event.grant.id,
        });
        return;
      case 'too-many':
        log('error', 'more devices and services than keyed knocking can hear; the rest is left out', {
          pairs: event.pairs,
        });
        return;
      case 'unreadable':
        this.trouble('the next one-time sequences could not be read', event.error);
        return;
      case 'refused': {
        // Every further number of a knock draws one; and a sentry that was taken over may draw many.
        const now = this.#clock();
        if (QUIET.includes(event.reason) || Math.abs(now - this.#knockRefused) < 10 * MICROS_PER_SECOND) return;
        this.#knockRefused = now;
        log('warning', 'a port knock opened nothing', { reason: event.reason, who: event.who });
      }
    }
  }

  /** Tells what became of a packet of fwknop's format. */
  fwknop(event: FwknopEvent): void {
    const { request } = event;
    const about = { user: request.user, ...fromAndFor(request), asked: askedFor(request) };
    switch (event.kind) {
      case 'opened': {
        this.granted++;
        const [first] = event.grants;
        this.#log('info', 'opened', {
          stanza: event.stanza.name,
          ...about,
          until: first === undefined ? undefined : new Date(first.ends / 1000).toISOString(),
          grant: event.grants.map(({ id }) => id).join(','),
        });
        return;
      }
      case 'command':
      case 'cycle':
        this.granted++;
        this.#log('info', 'commands are run', { stanza: event.stanza.name, ...about });
        return;
      case 'refused': {
        // Only who has a key draws one; but a key may be a hundred people's, and a copy costs nobody anything.
        const now = this.#clock();
        if (event.reason === 'past' || Math.abs(now - this.#fwknopRefused) < MICROS_PER_SECOND) return;
        this.#fwknopRefused = now;
        const clock = event.reason === 'age' ? `${String(event.ahead)}s` : undefined;
        this.#log('warning', "a packet of fwknop's format opened nothing", {
          reason: event.reason,
          stanza: event.stanza,
          ...about,
          clock,
        });
      }
    }
  }
}
