import { MICROS_PER_SECOND, type Seconds, type ServiceName, type UnixMicros } from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import { explainDarkRefusal, refuseDark } from '../admin/dark-rule.ts';
import type { AncestryEvidence, TcpConnection } from '../admin/evidence.ts';
import type { DarkStatus } from '../admin/protocol.ts';
import { exceptionsOf } from '../config/allow.ts';
import type { DarkSetting } from '../config/dark-edit.ts';
import type { Configuration, Service } from '../config/model.ts';
import type { Applied, Exceptions, Firewall, Flow } from '../firewall/port.ts';
import { admitInSteps, refusal, SEED_SECONDS, SHORTEST_TRY } from './protections.ts';
import type { Store } from './store.ts';

/** A host that is dark on trial. */
interface Trial {
  readonly began: UnixMicros;
  readonly until: UnixMicros;
  readonly allow: readonly string[];
  readonly trust: readonly string[];
  /** Connections to services that only a grant opens, which were live when the trial began. */
  readonly before: readonly TcpConnection[];
}

/** What `posternd dark` asks for. */
export interface DarkRequest {
  readonly allow: readonly string[];
  readonly trust: readonly string[];
  readonly seconds: number;
  readonly force: boolean;
}

/** What whole-host mode stands on. */
export interface DarknessContext {
  readonly firewall: Firewall;
  readonly store: Store;
  readonly clock: () => UnixMicros;
  readonly configuration: () => Configuration;
  /** All live TCP connections of this host. */
  readonly flows: () => Flow[];
  /** The same, a few at a time. */
  readonly flowsInPieces: () => Iterable<Flow[]>;
  /** Those to these local ports, as `confirm` compares them with a command's ancestry. */
  readonly connections: (ports: readonly number[]) => TcpConnection[];
  /** Addresses of this host, as text. */
  readonly hostAddresses: () => ReadonlySet<string>;
  /** Whether a grant of this service was made, or lived, since. */
  readonly granted: (service: ServiceName, since: UnixMicros) => boolean;
  /** Makes it last: writes it into the configuration. */
  readonly keep: (setting: DarkSetting) => void;
  readonly onWarning: (text: string, hint?: string) => void;
}

function insist(applied: Applied): void {
  if (!applied.ok) throw new PersonError(`the firewall refused: ${refusal(applied)}`);
}

/** Services of which at least one port opens by a grant alone. */
function closedServices(services: readonly Service[], { endpoints }: Exceptions): Service[] {
  const open = new Set(endpoints.map(({ protocol, port }) => `${protocol}/${String(port)}`));
  return services.filter((service) =>
    service.endpoints.some(({ protocol, port }) => !open.has(`${protocol}/${String(port)}`)),
  );
}

/** Whether some device could come in: it, its user and a service that a knock opens are there, and none is revoked or has expired. */
function wayIn({ services, users }: Configuration, exceptions: Exceptions, now: UnixMicros): boolean {
  const names = new Set<string>(closedServices(services, exceptions).map(({ name }) => name));
  const usable = (it: { revoked: UnixMicros | undefined; expires: UnixMicros | undefined }): boolean =>
    it.revoked === undefined && (it.expires ?? Infinity) > now;
  return users.some(
    (user) => usable(user) && user.devices.some(usable) && user.services.some((name) => names.has(name)),
  );
}

/** What a start does first of all, whatever else then fails: a host that the configuration calls dark is so, if any device could come in. */
export function darkenAtStart(
  firewall: Firewall,
  configuration: Configuration,
  flows: () => Flow[],
  now: UnixMicros,
): void {
  const exceptions = exceptionsOf(configuration);
  if (!configuration.dark || !wayIn(configuration, exceptions, now)) return;
  firewall.seed(flows(), SEED_SECONDS);
  firewall.darken(exceptions, undefined);
}

/** Whole-host mode: on trial until somebody who came in by a knock confirms it, then for good. */
export class Darkness {
  readonly #context: DarknessContext;
  #saved: Trial | undefined;
  /** The configuration's word was followed: from then on it is, also when the last device is revoked. */
  #followed = false;

  constructor(context: DarknessContext) {
    this.#context = context;
    const saved = context.store.meta('dark-trial');
    this.#saved = saved && ((JSON.parse(Buffer.from(saved).toString('utf8')) as Trial | null) ?? undefined);
  }

  /** At start, after a reload and after the rules were lost: what the configuration says is so. A trial goes on in the kernel by itself. */
  restore(): void {
    const { firewall, clock, configuration, flows, onWarning } = this.#context;
    if (!configuration().dark) {
      this.#followed = false;
      const held = firewall.darkness();
      // Somebody wrote it into the file, or `undo` did while nothing ran.
      if (held !== undefined && held.remaining === undefined) insist(firewall.lighten());
      return;
    }
    const exceptions = exceptionsOf(configuration());
    const reachable = wayIn(configuration(), exceptions, clock());
    const hint = 'add a user and let a device join, then `posternd reload`; or end it: `posternd undo`';
    if (reachable || this.#followed) {
      firewall.seed(flows(), SEED_SECONDS);
      insist(firewall.darken(exceptions, undefined));
      this.#followed = true;
      if (!reachable) onWarning('no device could open anything on this dark host: the next start leaves it open', hint);
      return;
    }
    insist(firewall.lighten());
    onWarning('this host is not dark, although the configuration says so: no device could open anything', hint);
  }

  /** Admits the live connections of a dark host, so that idle sessions outlive conntrack's memory of them. In steps. */
  seedInSteps(): Generator<undefined, undefined, undefined> {
    const { firewall, flowsInPieces, onWarning } = this.#context;
    return admitInSteps(firewall, firewall.darkness() === undefined ? [] : flowsInPieces(), onWarning);
  }

  /** Makes the host dark for `seconds`, after which the kernel undoes it. */
  try({ allow, trust, seconds, force }: DarkRequest): { until: UnixMicros; admitted: number; services: Service[] } {
    const { firewall, clock, configuration, connections, flows, onWarning } = this.#context;
    if (seconds < SHORTEST_TRY && !force) {
      throw new PersonError(`${String(seconds)} seconds are too short to open a new connection and confirm`, {
        hint: `take at least ${String(SHORTEST_TRY)}, or add --force`,
      });
    }
    if (configuration().dark && firewall.darkness() !== undefined) {
      throw new PersonError('this host is dark for good already', {
        hint: `to change what is allowed, write it into ${configuration().file} and \`posternd reload\`; \`posternd undo\` ends it`,
      });
    }
    const exceptions = exceptionsOf({ allow, trust });
    const services = closedServices(configuration().services, exceptions);
    if (services.length === 0) {
      throw new PersonError('there is no service that a knock would open, so nobody could come in', {
        hint: `write [services.ssh] with ports = ["tcp/22"] into ${configuration().file}, and \`posternd reload\``,
      });
    }
    const began = clock();
    if (!wayIn(configuration(), exceptions, began)) {
      throw new PersonError('no device could open anything, so nobody could come in', {
        hint: '`posternd user add NAME` makes an invite, `postern join` on the device takes it',
      });
    }
    const before = connections(tcpPorts(services));
    const live = flows();
    const seeded = firewall.seed(live, SEED_SECONDS);
    if (!seeded.ok) onWarning(`live connections could not be admitted: ${refusal(seeded)}`);
    insist(firewall.darken(exceptions, seconds as Seconds));
    const until = (began + seconds * MICROS_PER_SECOND) as UnixMicros;
    this.#save({ began, until, allow, trust, before });
    return { until, admitted: live.length, services };
  }

  /** Whether the host is dark on trial: the record says so and the kernel does. */
  get trying(): boolean {
    return this.#trial() !== undefined;
  }

  /** Throws PersonError when the evidence does not say that a new connection gets in by a knock. */
  judge(evidence: AncestryEvidence): void {
    const { configuration, clock, connections, hostAddresses, granted } = this.#context;
    const trial = this.#trial();
    if (trial === undefined) throw new PersonError('this host is not dark on trial');
    const exceptions = exceptionsOf(trial);
    const services = closedServices(configuration().services, exceptions);
    if (!wayIn(configuration(), exceptions, clock())) {
      throw new PersonError('no device could open anything any more, so nobody could come in', {
        hint: 'add one, or let the trial end by itself',
      });
    }
    const ports = tcpPorts(services).filter(
      (port) => !exceptions.endpoints.some((open) => open.protocol === 'tcp' && open.port === port),
    );
    const reason = refuseDark({
      evidence,
      ports,
      before: trial.before,
      now: connections(ports),
      hostAddresses: hostAddresses(),
      granted: services.some(({ name }) => granted(name, trial.began)),
    });
    if (reason === undefined) return;
    const { message, hint } = explainDarkRefusal(
      reason,
      services.map(({ name }) => name),
    );
    throw new PersonError(message, { hint });
  }

  /** Makes the trial last. {@link judge} first. */
  confirm(): void {
    const trial = this.#trial();
    if (trial === undefined) return;
    const { firewall, keep } = this.#context;
    // The file first: what it does not say must not outlive the try.
    keep({ dark: true, allow: trial.allow, trust: trial.trust });
    insist(firewall.darken(exceptionsOf(trial), undefined));
    this.#followed = true;
    this.#save(undefined);
  }

  /** Ends it, on trial or for good: in the kernel first, because somebody may be waiting outside. */
  undo(): 'none' | 'trial' | 'confirmed' {
    const { firewall, configuration, keep } = this.#context;
    const { dark } = configuration();
    const held = firewall.darkness();
    if (held !== undefined) insist(firewall.lighten());
    this.#save(undefined);
    this.#followed = false;
    if (dark) keep({ dark: false });
    return dark ? 'confirmed' : held === undefined ? 'none' : 'trial';
  }

  /** For `status`; undefined for a host that is as any other. */
  state(): DarkStatus | undefined {
    const { firewall, configuration } = this.#context;
    const { dark, allow, trust } = configuration();
    const held = firewall.darkness();
    if (held?.remaining !== undefined) {
      const remainingSeconds = Math.ceil(held.remaining / 1000);
      return { state: 'trying', remainingSeconds, allow: this.#saved?.allow ?? [], trust: this.#saved?.trust ?? [] };
    }
    if (!dark) return undefined;
    return { state: held === undefined ? 'no-way-in' : 'dark', allow, trust };
  }

  #trial(): Trial | undefined {
    if (this.#saved === undefined || this.#saved.until <= this.#context.clock()) return undefined;
    // Somebody may have flushed the rules, or run `undo` while nothing ran: then it is over.
    return this.#context.firewall.darkness()?.remaining === undefined ? undefined : this.#saved;
  }

  #save(trial: Trial | undefined): void {
    if (trial === undefined && this.#saved === undefined) return;
    this.#saved = trial;
    this.#context.store.setMeta('dark-trial', Buffer.from(JSON.stringify(trial ?? null), 'utf8'));
  }
}

function tcpPorts(services: readonly Service[]): number[] {
  return services.flatMap(({ endpoints }) =>
    endpoints.filter(({ protocol }) => protocol === 'tcp').map(({ port }) => port),
  );
}
