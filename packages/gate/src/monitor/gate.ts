import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import {
  MICROS_PER_SECOND,
  deviceIdOf,
  importStaticPrivate,
  toHex,
  type DeviceId,
  type Random,
  type Refusal,
  type ServiceName,
  type StaticPublic,
  type Suite,
  type UnixMicros,
} from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import type { Configuration, Door } from '../config/model.ts';
import { readConnections } from '../admin/tcp-table.ts';
import { loadConfiguration, loadUser } from '../config/load.ts';
import { readGateKey, writeGateKey, type GateKeys, type GateSecrets } from '../config/gate-key.ts';
import { Secret } from '../config/secret.ts';
import { setProtect } from '../config/protect-edit.ts';
import { lastSlotOf, readKnockKeys, setLastSlot, writeKnockKeys, type KnockKeys } from '../config/knock-keys.ts';
import { addDevice } from '../config/user-file.ts';
import { setDark, type DarkSetting } from '../config/dark-edit.ts';
import { flowsInPieces, readFlows } from '../firewall/flows.ts';
import type { Firewall, Plan } from '../firewall/port.ts';
import type { DoorFrame, FwknopFrame, KnockedFrame, RequestFrame } from '../line/codec.ts';
import { Darkness, darkenAtStart } from './darkness.ts';
import { barred, makeDirectory, type Directory } from './directory.ts';
import { DoorCommands } from './door-commands.ts';
import { EventLog } from './event-log.ts';
import { FwknopSide, type FwknopOptions } from './fwknop-side.ts';
import { deviceOf, doorOf, stanzaOf, type Holder } from './holder.ts';
import { GrantBook } from './grants.ts';
import { withKey, withoutRevoked } from './knock-key-book.ts';
import { finish, Leisure } from './leisure.ts';
import { Knocks } from './knocks.ts';
import type { Log } from './log.ts';
import type { OneTimeSequences } from './door-table.ts';
import { Protections, SEED_SECONDS } from './protections.ts';
import { RequestHandler, type Verdict } from './requests.ts';
import { isNewest, rotate, settle } from './rotation.ts';
import { SlotGuard } from './slot-guard.ts';
import { openStore, type Store } from './store.ts';
import type { TimedCommands } from './timed-commands.ts';

/** With so many devices a rotation ends with the knock of the last; with more, within a minute of it. */
const SETTLED_AT_ONCE = 256;
const HOUSEKEEPING_SEED = 1200 * MICROS_PER_SECOND;
const random: Random = (size) => randomBytes(size);
/** Time as the kernel counts a grant's: it goes on when somebody sets the clock, and rests when the machine does. */
const kernelUptime = (): UnixMicros => Number(process.hrtime.bigint() / 1000n) as UnixMicros;

const hostAddresses = (): Set<string> =>
  new Set(Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map((it) => it.address)));

/** What a gate is made from. */
export interface GateOptions {
  readonly configFile: string;
  readonly firewall: Firewall;
  readonly clock: () => UnixMicros;
  readonly log: Log;
  /** Makes what runs the commands of doors and stanzas. */
  readonly commands?: ((store: Store) => TimedCommands) | undefined;
  /** Doors that do not stand in the configuration. */
  readonly moreDoors?:
    ((configuration: Configuration, leaveOut?: (error: PersonError) => void) => readonly Door[]) | undefined;
  /** What is heard of fwknop's format and does not stand in the configuration, and what goes with that. */
  readonly fwknop?: FwknopOptions | undefined;
  /** The sequences of doors with one-time sequences. */
  readonly oneTime?: OneTimeSequences | undefined;
  /** Time as the kernel counts it; another one only in tests that let time run faster. */
  readonly uptime?: (() => UnixMicros) | undefined;
}

function planOf({ port, capture, services, fwknop }: Configuration): Plan {
  const leads = fwknop?.stanzas.some(({ nat }) => nat.forward || nat.local || nat.force !== undefined) === true;
  const forwards = leads || services.some(({ forward }) => forward !== undefined);
  const heard = (fwknop?.hear ?? []).flatMap((it) => (it.protocol === 'udp' && it.first === it.last ? [it.first] : []));
  return { knockPort: port, dropKnocks: capture === 'packet', forwards, morePorts: heard.filter((it) => it !== port) };
}

/** First of all: what the configuration says is protected is closed, whatever else then fails to start. Live connections stay. */
function closeDoors(firewall: Firewall, configuration: Configuration): void {
  const { services } = configuration;
  firewall.install(planOf(configuration));
  const endpoints = services.filter((service) => service.protect).flatMap((service) => service.endpoints);
  if (endpoints.length === 0) return;
  const tcp = endpoints.filter((endpoint) => endpoint.protocol === 'tcp').map((endpoint) => endpoint.port);
  firewall.seed(readFlows(tcp), SEED_SECONDS);
  firewall.protect(endpoints, undefined);
}

/**
 * The gate as the monitor runs it, without its processes and sockets: configuration, state, firewall, and what becomes of requests.
 * Everything that reads or writes files does so here and in `config/`.
 */
export class Gate implements Disposable {
  /** For what takes longer than a knock may wait. */
  readonly leisure: Leisure = new Leisure();
  readonly store: Store;
  readonly firewall: Firewall;
  readonly grants: GrantBook;
  readonly protections: Protections;
  /** Doors and keyed knocks. */
  readonly knocks: Knocks;
  /** Packets of fwknop's format. */
  readonly fwknop: FwknopSide;
  readonly darkness: Darkness;
  readonly clock: () => UnixMicros;
  readonly log: Log;
  readonly statics: Readonly<Record<Suite, StaticPublic>>;
  /** Told when the live gate keys change, so that filters and sentry follow. */
  onKeys: (keys: GateKeys) => void = () => undefined;
  /** What happened, counted and told. */
  readonly events: EventLog;
  readonly #configFile: string;
  readonly #moreDoors: GateOptions['moreDoors'];
  readonly #uptime: () => UnixMicros;
  readonly #handler: RequestHandler;
  #configuration: Configuration;
  #directory: Directory;
  #secrets: GateSecrets;
  #seeded = 0;
  #recording = false;
  #knockKeys: KnockKeys;

  constructor(options: GateOptions) {
    const { firewall, clock, log, uptime = kernelUptime } = options;
    this.#uptime = uptime;
    this.events = new EventLog(log, clock);
    this.#configFile = options.configFile;
    // One broken file of users.d must not keep the others out, nor leave the doors open.
    this.#configuration = loadConfiguration(options.configFile, (error) => {
      log('error', `a user was left out: ${error.message}`, { hint: error.hint });
    });
    closeDoors(firewall, this.#configuration);
    darkenAtStart(firewall, this.#configuration, readFlows, clock());
    this.#moreDoors = options.moreDoors;
    this.#configuration = this.#withMoreDoors(this.#configuration, (error) => {
      log('error', `a door was left out: ${error.message}`, { hint: error.hint });
    });
    this.#directory = makeDirectory(this.#configuration);
    this.#secrets = readGateKey(this.#configuration.keyFile);
    this.statics = {
      1: importStaticPrivate(1, this.#secrets.x25519).public,
      2: importStaticPrivate(2, this.#secrets.xwing).public,
    };
    this.clock = clock;
    this.log = log;
    this.firewall = firewall;
    this.store = openStore(
      this.#configuration.stateDirectory,
      join(dirname(this.#configuration.socket), 'last-record'),
      random,
    );
    const grantError = (what: string, error: string): void => {
      log('error', what, { error });
    };
    this.grants = new GrantBook(firewall, this.store, random, grantError, () => clock() - uptime());
    this.protections = new Protections({
      firewall,
      store: this.store,
      clock,
      flows: readFlows,
      flowsInPieces,
      connections: readConnections,
      hostAddresses,
      grantedSince: (service, since) => this.grants.grantedSince(service, since),
      keep: (service, protect) => {
        this.#keepProtection(service, protect);
      },
      onWarning: (text) => {
        log('warning', text);
      },
    });
    this.darkness = new Darkness({
      firewall,
      store: this.store,
      clock,
      configuration: () => this.#configuration,
      flows: readFlows,
      flowsInPieces,
      connections: readConnections,
      hostAddresses,
      granted: (service, since) =>
        this.grants.grantedSince(service, since) || this.grants.some((grant) => grant.service === service, clock()),
      keep: (setting) => {
        this.#keepDark(setting);
      },
      onWarning: (text, hint) => {
        log('error', text, { hint });
      },
    });
    this.#handler = new RequestHandler({
      store: this.store,
      grants: this.grants,
      directory: () => this.#directory,
      gateKeys: () => this.#secrets.keys,
      statics: this.statics,
      clock,
      enrol: (user, publicKey, now) => {
        this.#enrol(user, publicKey, now);
      },
      keepKnockKey: (publicKey, key) => {
        this.#keepKnockKey(publicKey, key);
      },
      onMoved: () => {
        // A look at very many devices takes longer than a knock should wait: then housekeeping does it.
        if (this.#directory.size <= SETTLED_AT_ONCE) this.settleKeys();
      },
      onEvent: (event) => {
        this.events.request(event);
      },
    });
    this.#knockKeys = readKnockKeys(this.#knockKeyFile);
    const commands = options.commands?.(this.store);
    this.knocks = this.#makeKnocks(options, commands);
    this.#configuration = this.#withoutBrokenDoors(this.#configuration);
    this.fwknop = new FwknopSide({ ...options.fwknop, ...{ clock, log, commands }, gate: this });
    this.#configuration = this.fwknop.complete(this.#configuration, (error) => {
      log('error', `of fwknop's configuration something was left out: ${error.message}`, { hint: error.hint });
    });
    this.#configureKnocks();
  }

  get configuration(): Configuration {
    return this.#configuration;
  }

  get directory(): Directory {
    return this.#directory;
  }

  get secrets(): GateSecrets {
    return this.#secrets;
  }

  /** Installs the ruleset, takes over the grants that it holds, and protects what the configuration says. */
  start(): void {
    this.firewall.install(planOf(this.#configuration));
    const { adopted, unknown } = this.grants.adopt(this.clock());
    if (adopted > 0) this.log('info', 'grants adopted', { grants: adopted, unknown });
    this.#endBarred();
    this.protections.restore(this.#configuration.services);
    this.darkness.restore();
    this.#seeded = this.clock();
    if (this.store.damaged !== undefined)
      this.log('error', 'the state database was damaged; a new one was made, open invites are void', {
        damaged: this.store.damaged,
      });
    if (this.store.fresh)
      this.log('info', 'the state has a new id: every device needs one more round trip', {
        state: toHex(this.store.stateId),
      });
    this.settleKeys();
  }

  /** Judges one request that came over the line. Undefined is silence. */
  request(frame: RequestFrame): Verdict | undefined {
    try {
      const judged = this.#handler.handle(frame);
      if (judged.ok) return judged.value;
      this.events.count(judged.reason);
    } catch (error) {
      this.events.trouble('a request could not be judged', error);
    }
    return undefined;
  }

  /** Twice a second: a ruleset that somebody flushed is there again at once, with protection, and its grants one after the other. */
  async watch(): Promise<void> {
    try {
      if (this.grants.behind && !this.#recording) {
        this.#recording = true;
        void this.leisure.run(this.grants.record()).finally(() => (this.#recording = false));
      }
      if (this.firewall.present()) return;
      this.firewall.install(this.#plan());
      this.protections.restore(this.#configuration.services);
      this.darkness.restore();
      const grants = await this.leisure.run(this.grants.renew(this.clock));
      this.log('warning', 'the firewall rules were taken away by somebody; they are back', { grants });
    } catch (error) {
      this.events.trouble('the firewall rules were taken away and could not be brought back', error);
    }
  }

  /** What was refused on the line, before it was a request. */
  refused(reason: Refusal): void {
    this.events.count(reason);
  }

  /** Reads the configuration again. A wrong one changes nothing and throws. No grant ends, but those of who was revoked or removed. */
  reload(): { needsRestart: string[] } {
    const before = this.#configuration;
    const after = this.fwknop.complete(this.#withMoreDoors(loadConfiguration(this.#configFile)));
    this.knocks.check(after);
    const needsRestart = (
      [
        ['gate.port', before.port !== after.port],
        ['gate.capture', before.capture !== after.capture],
        ['gate.pq', before.pq !== after.pq],
        ['gate.sentry_user', before.sentryUser !== after.sentryUser],
        ['gate.state', before.stateDirectory !== after.stateDirectory],
        ['gate.socket', before.socket !== after.socket],
      ] as const
    )
      .filter(([, changed]) => changed)
      .map(([key]) => key);
    // Before anything else changes: a kernel that cannot forward refuses it.
    const plan = planOf(after);
    const ports = (it: Plan): string => String(it.morePorts);
    if (plan.forwards === true || ports(plan) !== ports(planOf(before)))
      this.firewall.install({
        ...this.#plan(),
        morePorts: plan.morePorts,
        ...(plan.forwards === true ? { forwards: true } : {}),
      });
    // What needs a restart stays as it runs, so that status and invites tell the truth.
    this.#use({
      ...after,
      port: before.port,
      capture: before.capture,
      pq: before.pq,
      stateDirectory: before.stateDirectory,
      socket: before.socket,
    });
    this.#unprotectRemoved(before);
    this.protections.restore(this.#configuration.services);
    this.darkness.restore();
    return { needsRestart };
  }

  /** After a user's file was written: takes what it says now, and nothing else that somebody may be editing. */
  rereadUser(file: string): void {
    const after = loadUser(file, this.#configuration.services);
    const before = this.#configuration.users.find((user) => user.name === after.name);
    const others = this.#configuration.users.filter((user) => user.name !== after.name);
    this.#configuration = { ...this.#configuration, users: [...others, after] };
    this.#directory.replace(before, after);
    this.#endBarred([...(before?.devices ?? []), ...after.devices].map((device) => device.id));
    this.#configureKnocks();
  }

  /** A revocation: starts a rotation of the gate key, or asks for another after that which is under way. */
  rotateKeys(): 'started' | 'queued' {
    const before = this.#secrets.keys;
    this.#setKeys(rotate(before, new Secret(random(32)), this.clock()));
    this.settleKeys();
    return before.next === undefined ? 'started' : 'queued';
  }

  /** Ends a rotation when nobody needs the old key any more. */
  settleKeys(): void {
    const { keys } = this.#secrets;
    if (keys.next === undefined) return;
    const settled = settle(keys, this.waiting().length, () => new Secret(random(32)), this.clock());
    if (settled === keys) return;
    try {
      this.#setKeys(settled);
      this.log('info', 'the old gate key ended: every device uses the next');
    } catch (error) {
      this.events.trouble('the old gate key could not be ended; it is tried again', error);
    }
  }

  /** Live devices and open invites that the end of the rotation waits for, by id. */
  waiting(): string[] {
    const { keys } = this.#secrets;
    if (keys.next === undefined) return [];
    const now = this.clock();
    const used = this.store.gateKeysUsed();
    const behind: string[] = [];
    for (const member of this.#directory.members()) {
      if (barred(member, now) !== undefined) continue;
      if (!isNewest(keys, used.get(member.device.id) ?? '')) behind.push(member.device.id);
    }
    for (const invite of this.store.invites()) {
      if (invite.usedBy === undefined && invite.expires > now && !isNewest(keys, toHex(invite.gateKey)))
        behind.push(invite.id);
    }
    return behind;
  }

  /** Once a minute: forgets what ran out, renews what must last. */
  housekeep(): void {
    try {
      this.#housekeep(this.clock());
    } catch (error) {
      this.events.trouble('housekeeping failed', error);
    }
  }

  #housekeep(now: UnixMicros): void {
    this.#handler.prune(now);
    this.store.removeInvites({ expiredBefore: (now - 7 * 86_400 * MICROS_PER_SECOND) as UnixMicros });
    if (now - this.#seeded >= HOUSEKEEPING_SEED || now < this.#seeded) {
      this.#seeded = now;
      this.#seed().catch((error: unknown) => {
        // It is tried again in a minute.
        this.#seeded = 0;
        this.events.trouble('housekeeping failed', error);
      });
    }
    this.settleKeys();
  }

  async #seed(): Promise<void> {
    await this.leisure.run(this.protections.seedInSteps(this.#configuration.services));
    await this.leisure.run(this.darkness.seedInSteps());
  }

  [Symbol.dispose](): void {
    this.leisure[Symbol.dispose]();
    finish(this.grants.record());
    this.fwknop[Symbol.dispose]();
    this.store[Symbol.dispose]();
    this.firewall[Symbol.dispose]();
  }

  /** Also what the configuration leads nowhere any more is led until the grant ends. */
  #plan(): Plan {
    const leading = this.grants.some((grant) => grant.target !== undefined, this.clock());
    const plan = planOf(this.#configuration);
    return leading ? { ...plan, forwards: true } : plan;
  }

  #use(configuration: Configuration): void {
    this.#configuration = configuration;
    this.#directory = makeDirectory(configuration);
    this.#endBarred();
    this.#configureKnocks();
  }

  /** Ends the grants of whoever of these was revoked or removed. */
  #endBarred(holders: Iterable<Holder> = this.grants.holders()): void {
    const now = this.clock();
    for (const holder of [...holders]) {
      const [door, stanza, device] = [doorOf(holder), stanzaOf(holder), deviceOf(holder)];
      if (door !== undefined) {
        for (const grant of this.grants.heldBy(holder, now))
          if (!this.#isDoor(door, grant.service)) this.grants.end(grant.id, now);
      }
      const stands = this.#configuration.fwknop?.stanzas.some(({ name }) => name === stanza) === true;
      if (stanza !== undefined && !stands) this.grants.close(holder, undefined, now);
      if (device === undefined) continue;
      const member = this.#directory.member(device);
      if (member === undefined || barred(member, now) === 'device-revoked') this.grants.close(holder, undefined, now);
    }
  }

  #withMoreDoors(configuration: Configuration, leaveOut?: (error: PersonError) => void): Configuration {
    const more = this.#moreDoors?.(configuration, leaveOut) ?? [];
    return more.length === 0 ? configuration : { ...configuration, doors: [...configuration.doors, ...more] };
  }

  /** At the start one broken door must keep nobody else out; a reload refuses it. */
  #withoutBrokenDoors(configuration: Configuration): Configuration {
    const doors = configuration.doors.filter((door) => {
      try {
        this.knocks.check({ doors: [door] });
        return true;
      } catch (error) {
        if (!(error instanceof PersonError)) throw error;
        this.log('error', `a door was left out: ${error.message}`, { door: door.name, hint: error.hint });
        return false;
      }
    });
    return doors.length === configuration.doors.length ? configuration : { ...configuration, doors };
  }

  #isDoor(name: string, service: ServiceName | undefined): boolean {
    return this.#configuration.doors.some((door) => door.name === name && door.opens?.service === service);
  }

  get #knockKeyFile(): string {
    return join(dirname(this.#configuration.keyFile), 'knock.keys');
  }

  #makeKnocks({ oneTime }: GateOptions, commands: TimedCommands | undefined): Knocks {
    const anchor = {
      anchor: () => lastSlotOf(this.#knockKeyFile),
      setAnchor: (slot: number) => {
        setLastSlot(this.#knockKeyFile, slot);
      },
    };
    const guard = new SlotGuard({ store: this.store, ...anchor, uptime: this.#uptime }, this.clock());
    const { grants, clock } = this;
    return new Knocks({
      ...{ grants, guard, random, clock, oneTime },
      commands: commands === undefined ? undefined : new DoorCommands(commands),
      onEvent: (event) => {
        this.events.knock(event);
      },
      onKeyUsed: (device, key) => {
        this.#settleKnockKey(device, key);
      },
    });
  }

  /** Devices, services, doors or keys are others than before. */
  #configureKnocks(): void {
    const keys = withoutRevoked(this.#knockKeys, this.#directory);
    if (keys !== this.#knockKeys) this.#saveKnockKeys(keys);
    this.knocks.configure(this.#configuration, this.#directory, this.#knockKeys);
    this.fwknop.configure(this.#configuration);
  }

  #keepKnockKey(publicKey: Uint8Array, key: Uint8Array): void {
    this.#saveKnockKeys(withKey(this.#knockKeys, deviceIdOf(publicKey), new Secret(key)));
    this.#configureKnocks();
  }

  /** A device that joined in several attempts has shown which of its keys it kept. */
  #settleKnockKey(device: DeviceId, key: Uint8Array): void {
    if ((this.#knockKeys.get(device)?.length ?? 0) < 2) return;
    this.#saveKnockKeys(new Map(this.#knockKeys).set(device, [key]));
    this.#configureKnocks();
  }

  /** A device without its key can do all else: no failure here undoes an enrolment or a revocation. */
  #saveKnockKeys(keys: KnockKeys): void {
    this.#knockKeys = keys;
    try {
      writeKnockKeys(this.#knockKeyFile, keys);
    } catch (error) {
      this.events.trouble('the keys of keyed knocking could not be written', error);
    }
  }

  /** What the sentry says of port knocks. */
  knock(event: DoorFrame | KnockedFrame): void {
    try {
      this.knocks.take(event);
    } catch (error) {
      this.events.trouble('a port knock could not be judged', error);
    }
  }

  /** What the sentry says of fwknop's format. */
  fwknopRequest(request: FwknopFrame): void {
    this.fwknop.requests.take(request).catch((error: unknown) => {
      this.events.trouble("a packet of fwknop's format could not be judged", error);
    });
  }

  /** Some times a second: what the sentry has to know of the next slot. */
  tickKnocks(): void {
    try {
      this.fwknop.requests.tick();
      this.knocks.tick();
    } catch (error) {
      this.events.trouble('the sets of keyed knocks could not be made', error);
    }
  }

  #unprotectRemoved(before: Configuration): void {
    const still = new Set(
      this.#configuration.services
        .filter((service) => service.protect)
        .flatMap((service) => service.endpoints)
        .map((e) => `${e.protocol}/${String(e.port)}`),
    );
    const gone = before.services
      .filter((service) => service.protect)
      .flatMap((service) => service.endpoints)
      .filter((e) => !still.has(`${e.protocol}/${String(e.port)}`));
    if (gone.length > 0) this.firewall.unprotect(gone);
  }

  #keepProtection(service: ServiceName, protect: boolean): void {
    setProtect(this.#configFile, service, protect);
    this.#configuration = {
      ...this.#configuration,
      services: this.#configuration.services.map((it) => (it.name === service ? { ...it, protect } : it)),
    };
    this.#directory = makeDirectory(this.#configuration);
    this.#configureKnocks();
  }

  #keepDark(setting: DarkSetting): void {
    setDark(this.#configFile, setting);
    const { dark, allow = this.#configuration.allow, trust = this.#configuration.trust } = setting;
    this.#configuration = { ...this.#configuration, dark, allow, trust };
  }

  #enrol(userName: string, publicKey: Uint8Array, now: UnixMicros): void {
    const user = this.#configuration.users.find((it) => it.name === userName);
    if (user === undefined) throw new Error(`the user ${userName} of an invite does not exist`);
    const id = deviceIdOf(publicKey);
    // There already: we died, or failed, between writing it and answering.
    if (loadUser(user.file, this.#configuration.services).devices.some((device) => device.id === id)) {
      this.rereadUser(user.file);
      return;
    }
    addDevice(user.file, {
      id,
      name: `device-${String(user.devices.length + 1)}`,
      publicKey,
      enrolled: now,
    });
    this.rereadUser(user.file);
  }

  #setKeys(keys: GateKeys): void {
    const secrets = { ...this.#secrets, keys };
    writeGateKey(this.#configuration.keyFile, secrets);
    this.#secrets = secrets;
    this.onKeys(keys);
  }
}
