import { randomBytes } from 'node:crypto';
import process from 'node:process';
import {
  MICROS_PER_SECOND,
  deviceIdOf,
  encodeInvite,
  formatAddress,
  importSigner,
  type DeviceId,
  type ServiceName,
  type UnixMicros,
} from '@postern/protocol';
import { EXIT, PersonError, nearest } from '@postern/terminal';
import { somebodyMayOpen } from '../admin/check-configuration.ts';
import { checkDaemon } from '../admin/check-daemon.ts';
import {
  PAGE,
  type AdminHandlers,
  type FwknopStatus,
  type GrantEntry,
  type InviteValue,
  type KnockingStatus,
  type PageValue,
  type RevokedValue,
  type ServiceStatus,
  type StatusValue,
} from '../admin/protocol.ts';
import { formatHearing } from '../config/fwknop/hearing.ts';
import type { Service, User } from '../config/model.ts';
import { addUser, revokeDevice, revokeUser } from '../config/user-file.ts';
import type { Member } from './directory.ts';
import type { Gate } from './gate.ts';
import { formatEndpoint } from '../config/endpoint.ts';
import { formatTarget, type Grant } from './grant.ts';
import { deviceOf, doorOf, stanzaOf } from './holder.ts';
import { firstHeld, heldGrants } from './held-grants.ts';
import { gateKeyId, newest } from './rotation.ts';
import { innerInterfaces, isTrusted } from './interfaces.ts';
import type { SentryProcess } from './sentry-process.ts';
import { attempt } from './undo.ts';

const INVITE_HOURS = 24;
const LONGEST_ROTATION = 30 * 86_400 * MICROS_PER_SECOND;

function iso(time: UnixMicros): string {
  return new Date(time / 1000).toISOString();
}

function optionalIso(time: UnixMicros | undefined): string | undefined {
  return time === undefined ? undefined : iso(time);
}

function named<T extends { readonly name: string }>(what: string, all: readonly T[], name: string): T {
  const found = all.find((candidate) => candidate.name === name);
  if (found !== undefined) return found;
  const names = all.map((candidate) => candidate.name);
  const near = nearest(name, names);
  const hint =
    near !== undefined
      ? `did you mean ${near}?`
      : names.length === 0
        ? `there is no ${what} yet`
        : `there are: ${names.slice(0, 20).join(', ')}`;
  throw new PersonError(`there is no ${what} ${JSON.stringify(name)}`, { hint });
}

function byPrefix<T extends { readonly id: string }>(what: string, all: Iterable<T>, prefix: string): T {
  return theOnly(
    what,
    [...all].filter((candidate) => candidate.id.startsWith(prefix)),
    prefix,
  );
}

function theOnly<T>(what: string, found: readonly T[], prefix: string): T {
  const [only] = found;
  if (only === undefined)
    throw new PersonError(`there is no ${what} ${prefix}`, { hint: `\`posternd ${what} list\` shows them` });
  if (found.length > 1)
    throw new PersonError(`${String(found.length)} ${what}s begin with ${prefix}`, { hint: 'give more digits' });
  return only;
}

/** One page of entries in the order of `key`. */
function page<T>(
  all: readonly T[],
  key: (entry: T) => string,
  after: string | undefined,
): { entries: T[] } & PageValue {
  const sorted = [...all]
    .sort((a, b) => (key(a) < key(b) ? -1 : 1))
    .filter((entry) => after === undefined || key(entry) > after);
  const entries = sorted.slice(0, PAGE);
  const last = entries.at(-1);
  return sorted.length > PAGE && last !== undefined ? { entries, next: key(last) } : { entries };
}

/** The admin commands over a running gate. */
export function administration(
  gate: Gate,
  sentry: SentryProcess,
  facts: { version: string; started: UnixMicros; fwknop?: string | undefined },
): AdminHandlers {
  const services = (): readonly Service[] => gate.configuration.services;
  const users = (): readonly User[] => gate.configuration.users;
  const members = (): Member[] => [...gate.directory.members()];

  const invite = (user: User, hours: number): InviteValue => {
    if (user.revoked !== undefined)
      throw new PersonError(`${user.name} is revoked`, { hint: `remove \`revoked\` from ${user.file} first` });
    const { configuration, secrets, store, statics } = gate;
    if (configuration.addresses.length === 0) {
      throw new PersonError('the configuration names no address that a client could knock at', {
        hint: `set \`addresses\` in [gate] of ${configuration.file}`,
        exitCode: EXIT.configuration,
      });
    }
    const now = gate.clock();
    const expires = (now + Math.round(hours * 3600) * MICROS_PER_SECOND) as UnixMicros;
    const seed = randomBytes(32);
    const { publicKey } = importSigner(seed);
    const gateKey = newest(secrets.keys);
    const text = encodeInvite({
      name: configuration.name,
      seed,
      gateKey,
      x25519: statics[1].bytes,
      xwing: statics[2].bytes,
      stateId: store.stateId,
      addresses: [...configuration.addresses],
      port: configuration.port,
      expires,
      pq: configuration.pq,
      services: [...user.services],
    });
    store.addInvite({
      id: deviceIdOf(publicKey),
      user: user.name,
      publicKey,
      gateKey: gateKeyId(gateKey),
      created: now,
      expires,
      usedBy: undefined,
    });
    return {
      user: user.name,
      invite: text,
      expires: iso(expires),
      services: [...user.services],
      addresses: [...configuration.addresses],
    };
  };

  const revoked = (user: User, devices: readonly DeviceId[], invites: number): RevokedValue => {
    const before = user.devices.flatMap(({ id }) => gate.grants.heldBy(id, gate.clock()));
    gate.rereadUser(user.file);
    const now = gate.clock();
    const ended = before.map((grant) => grant.id).filter((id) => gate.grants.get(id, now) === undefined);
    const rotation = gate.rotateKeys();
    gate.log('warning', 'revoked', { user: user.name, devices: devices.length, grants: ended.length, invites });
    return { user: user.name, devices, grants: ended, invites, rotation };
  };

  const grantEntry = (grant: Grant, now: UnixMicros): GrantEntry => {
    const id = deviceOf(grant.device);
    const member = id === undefined ? undefined : gate.directory.member(id);
    const [door, stanza] = [doorOf(grant.device), stanzaOf(grant.device)];
    const whole = grant.source.prefix === (grant.source.family === 4 ? 32 : 128);
    return {
      id: grant.id,
      user: member?.user.name,
      device:
        door !== undefined
          ? `door ${door}`
          : stanza !== undefined
            ? `stanza ${stanza}`
            : (member?.device.name ?? grant.device),
      service: grant.service,
      source: formatAddress(grant.source.address) + (whole ? '' : `/${String(grant.source.prefix)}`),
      ports: grant.endpoints.map(formatEndpoint),
      ...(grant.target === undefined ? {} : { target: formatTarget(grant.target) }),
      singleUse: grant.slot !== undefined,
      ends: iso(grant.ends),
      remainingSeconds: Math.max(0, Math.ceil((grant.ends - now) / MICROS_PER_SECOND)),
    };
  };

  /** How many grants each service has, a single-use one that was used not counted. */
  function* countGrants(): Generator<undefined, Map<ServiceName | undefined, number>, undefined> {
    const counts = new Map<ServiceName | undefined, number>();
    for (const grant of heldGrants(gate)) {
      if (grant !== undefined) counts.set(grant.service, (counts.get(grant.service) ?? 0) + 1);
      yield undefined;
    }
    return counts;
  }

  function* listGrants(after: string): Generator<undefined, GrantEntry[], undefined> {
    const entries: GrantEntry[] = [];
    for (const grant of yield* firstHeld(gate, after, PAGE + 1)) {
      entries.push(grantEntry(grant, gate.clock()));
      yield undefined;
    }
    return entries;
  }

  function* grantsThatBegin(prefix: string): Generator<undefined, Grant[], undefined> {
    const found: Grant[] = [];
    for (const grant of gate.grants.each(gate.clock)) {
      if (grant?.id.startsWith(prefix) === true) found.push(grant);
      yield undefined;
    }
    return found;
  }

  return {
    async status(): Promise<StatusValue> {
      const grants = await gate.leisure.run(countGrants());
      const { configuration, secrets } = gate;
      const { keys } = secrets;
      const counters: Record<string, number> = { ...sentry.counters() };
      for (const [reason, count] of Object.entries(gate.events.refusals()))
        counters[reason] = (counters[reason] ?? 0) + count;
      return {
        version: facts.version,
        name: configuration.name,
        pid: process.pid,
        started: iso(facts.started),
        configFile: configuration.file,
        port: configuration.port,
        capture: configuration.capture,
        pq: configuration.pq,
        stateId: Buffer.from(gate.store.stateId).toString('hex'),
        sentry: { user: configuration.sentryUser, pid: sentry.pid, restarts: sentry.restarts },
        services: configuration.services.map((service): ServiceStatus => {
          const { state, remainingSeconds } = gate.protections.state(service);
          return {
            name: service.name,
            ports: service.endpoints.map(formatEndpoint),
            protection: state,
            remainingSeconds,
            grants: grants.get(service.name) ?? 0,
          };
        }),
        dark: gate.darkness.state(),
        users: configuration.users.length,
        devices: gate.directory.size,
        grants: [...grants.values()].reduce((sum, count) => sum + count, 0),
        rotation:
          keys.next === undefined || keys.since === undefined
            ? undefined
            : {
                since: iso(keys.since),
                until: iso((keys.since + LONGEST_ROTATION) as UnixMicros),
                waitingDevices: gate.waiting().length,
                again: keys.again,
              },
        knocking: knocking(gate, sentry),
        fwknop: fwknopStatus(gate, sentry),
        knocks: gate.firewall.knocks(),
        granted: gate.events.granted,
        refusals: Object.fromEntries(Object.entries(counters).filter(([, count]) => count > 0)),
      };
    },

    'user.add'({ name, services: wanted, expiresHours }) {
      if (users().some((user) => user.name === name)) {
        throw new PersonError(`there is a user ${JSON.stringify(name)} already`, {
          hint: `\`posternd invite ${name}\` adds a device`,
        });
      }
      const all = services().map((service) => service.name);
      for (const service of wanted ?? []) named('service', services(), service);
      const file = addUser(gate.configuration, {
        name,
        services: all.filter((service) => wanted === undefined || wanted.includes(service)),
      });
      gate.rereadUser(file);
      return invite(named('user', users(), name), expiresHours ?? INVITE_HOURS);
    },

    invite: ({ name, expiresHours }) => invite(named('user', users(), name), expiresHours ?? INVITE_HOURS),

    'user.list'({ after }) {
      const now = gate.clock();
      const open = gate.store.invites().filter((it) => it.usedBy === undefined && it.expires > now);
      const { entries, ...more } = page(users(), (user) => user.name, after);
      return {
        ...more,
        users: entries.map((user) => ({
          name: user.name,
          file: user.file,
          services: user.services,
          devices: user.devices.filter((device) => device.revoked === undefined && (device.expires ?? Infinity) > now)
            .length,
          invites: open.filter((it) => it.user === user.name).length,
          expires: optionalIso(user.expires),
          revoked: optionalIso(user.revoked),
        })),
      };
    },

    'user.revoke'({ name }) {
      const user = named('user', users(), name);
      revokeUser(user.file, gate.clock());
      const invites = gate.store.removeInvites({ user: name });
      return revoked(
        user,
        user.devices.filter((device) => device.revoked === undefined).map((device) => device.id),
        invites,
      );
    },

    'device.list'({ user, after }) {
      if (user !== undefined) named('user', users(), user);
      const wanted = members().filter((member) => user === undefined || member.user.name === user);
      const { entries, ...more } = page(wanted, (member) => `${member.user.name}/${member.device.id}`, after);
      return {
        ...more,
        devices: entries.map(({ user: owner, device }) => ({
          id: device.id,
          user: owner.name,
          name: device.name,
          enrolled: optionalIso(device.enrolled),
          expires: optionalIso(device.expires),
          revoked: optionalIso(device.revoked),
          lastHeard: heard(gate, device.id),
        })),
      };
    },

    'device.revoke'({ id }) {
      const device = byPrefix(
        'device',
        members().map((member) => member.device),
        id,
      );
      const member = gate.directory.member(device.id);
      if (member === undefined) throw new PersonError(`there is no device ${id}`);
      if (device.revoked !== undefined)
        throw new PersonError(`device ${device.id} is revoked already`, { hint: `since ${iso(device.revoked)}` });
      revokeDevice(member.user.file, device.id, gate.clock());
      return revoked(member.user, [device.id], 0);
    },

    async 'grant.list'({ after = '' }) {
      const entries = await gate.leisure.run(listGrants(after));
      const grants = entries.slice(0, PAGE);
      const last = grants.at(-1);
      return entries.length > PAGE && last !== undefined ? { next: last.id, grants } : { grants };
    },

    async 'grant.end'({ id }) {
      const whole = gate.grants.get(id, gate.clock());
      const found = whole === undefined ? await gate.leisure.run(grantsThatBegin(id)) : [whole];
      const grant = theOnly('grant', found, id);
      gate.grants.end(grant.id, gate.clock());
      gate.log('info', 'ended by command', { grant: grant.id });
      return { id: grant.id };
    },

    check: () => ({
      findings: checkDaemon({
        file: gate.configuration.file,
        now: gate.clock(),
        invites: gate.store.invites().filter((it) => it.usedBy === undefined),
      }),
      fwknop: facts.fwknop,
    }),

    protect({ service, seconds, force }, progress) {
      const found = named('service', services(), service);
      if (!somebodyMayOpen(gate.configuration, service, gate.clock()))
        progress(`warning: no device may open ${service} yet, so the trial can only end by itself or on a console`);
      const { until, admitted } = gate.protections.try(found, seconds, force);
      gate.log('warning', 'protected on trial', { service, seconds, admitted });
      return { service, ports: found.endpoints.map(formatEndpoint), until: iso(until), admitted };
    },

    confirm({ service, evidence }) {
      if (service !== undefined) named('service', services(), service);
      const { darkness, protections } = gate;
      const dark = service === undefined && darkness.trying;
      if (dark) darkness.judge(evidence);
      const confirmed =
        dark && protections.tried(services()).length === 0 ? [] : protections.confirm(services(), service, evidence);
      if (dark) darkness.confirm();
      gate.log('info', dark ? 'dark for good' : 'protected for good', { services: confirmed.join(',') || undefined });
      return { services: confirmed, ...(dark ? { dark } : {}) };
    },

    unprotect({ service }) {
      gate.protections.unprotect(named('service', services(), service));
      gate.log('warning', 'open to everybody', { service });
      return { service };
    },

    dark(asked) {
      const { until, admitted, services: closed } = gate.darkness.try(asked);
      const { allow, trust, seconds } = asked;
      gate.log('warning', 'dark on trial', { seconds, admitted, allow: allow.join(','), trust: trust.join(',') });
      return {
        until: iso(until),
        allow,
        trust,
        services: closed.map(({ name, endpoints }) => ({ name, ports: endpoints.map(formatEndpoint) })),
        admitted,
        behind: innerInterfaces().filter((name) => !isTrusted(name, trust)),
      };
    },

    undo({ all }) {
      const { protections, darkness, firewall } = gate;
      const tried = protections.tried(services());
      const ended = services().filter((service) => tried.includes(service) || (all && service.protect));
      const state = darkness.state()?.state;
      const dark = state === undefined ? 'none' : state === 'trying' ? 'trial' : 'confirmed';
      // The kernel first, whatever the disk or the configuration says: somebody may be waiting outside.
      if (ended.length > 0) firewall.unprotect(ended.flatMap(({ endpoints }) => endpoints));
      const byHand = [
        ...attempt(() => void darkness.undo()),
        ...ended.flatMap((service) =>
          attempt(() => {
            protections.unprotect(service);
          }),
        ),
      ];
      const names = ended.map(({ name }) => name);
      if (dark !== 'none' || names.length > 0)
        gate.log('warning', 'undone by command', { dark, services: names.join(',') });
      return { dark, services: names, running: true, byHand };
    },

    reload() {
      const { needsRestart } = gate.reload();
      gate.log('info', 'configuration read again', { users: users().length, devices: gate.directory.size });
      return { services: services().length, users: users().length, devices: gate.directory.size, needsRestart };
    },
  };
}

/** What is heard of fwknop's format; undefined where there is nothing to hear. */
function fwknopStatus(gate: Gate, sentry: SentryProcess): FwknopStatus | undefined {
  const { fwknop } = gate.configuration;
  if (fwknop === undefined) return undefined;
  const { requests } = gate.fwknop;
  const { opened, refused } = requests.counters;
  return {
    stanzas: fwknop.stanzas.map(({ name }) => name),
    credentials: requests.credentials,
    hears: (requests.hears ?? []).map(formatHearing),
    opened,
    seen: sentry.fwknopCounters(),
    refused,
  };
}

function knocking(gate: Gate, sentry: SentryProcess): KnockingStatus | undefined {
  const { doors } = gate.configuration;
  if (gate.knocks.plan === undefined) return undefined;
  const { doors: opened, keyed, refused } = gate.knocks.counters;
  return {
    doors: doors.map(({ name }) => name),
    keyed: gate.knocks.pairs,
    opened: { doors: opened, keyed },
    seen: sentry.knockCounters(),
    refused,
  };
}

function heard(gate: Gate, id: DeviceId): string | undefined {
  const top = gate.store.freshnessOf(id)?.row.top ?? 0;
  return top === 0 ? undefined : iso(top as UnixMicros);
}
