import { MICROS_PER_SECOND, type Seconds, type ServiceName, type UnixMicros } from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import { explainRefusal, mayConfirm } from '../admin/confirm-rule.ts';
import type { AncestryEvidence, TcpConnection } from '../admin/evidence.ts';
import type { ProtectionState } from '../admin/protocol.ts';
import type { Service } from '../config/model.ts';
import type { Applied, Firewall, Flow } from '../firewall/port.ts';
import type { Store } from './store.ts';

/** How long a live connection is admitted by its addresses alone; renewed while the gate runs. */
export const SEED_SECONDS: Seconds = 3600 as Seconds;
/** The shortest try without `--force`. */
export const SHORTEST_TRY = 120;

/** A protection that is being tried. */
interface Trial {
  readonly service: string;
  readonly began: UnixMicros;
  readonly until: UnixMicros;
  /** Connections to the service's ports that were live when the try began. */
  readonly before: readonly TcpConnection[];
}

/** What protections stand on. */
export interface ProtectionContext {
  readonly firewall: Firewall;
  readonly store: Store;
  readonly clock: () => UnixMicros;
  /** Live TCP connections of this host to these local ports. */
  readonly flows: (ports: readonly number[]) => Flow[];
  /** The same, a few at a time. */
  readonly flowsInPieces: (ports: readonly number[]) => Iterable<Flow[]>;
  /** The same, as `confirm` compares them with a command's ancestry. */
  readonly connections: (ports: readonly number[]) => TcpConnection[];
  /** Addresses of this host, as text. */
  readonly hostAddresses: () => ReadonlySet<string>;
  /** Whether a grant of this service was made since. */
  readonly grantedSince: (service: ServiceName, since: UnixMicros) => boolean;
  /** Makes it last: writes `protect` into the configuration. */
  readonly keep: (service: ServiceName, protect: boolean) => void;
  readonly onWarning: (text: string) => void;
}

function tcpPorts(service: Service): number[] {
  return service.endpoints.filter((endpoint) => endpoint.protocol === 'tcp').map((endpoint) => endpoint.port);
}

/** Why the firewall did not do it, for a person. */
export function refusal(applied: Extract<Applied, { ok: false }>): string {
  return applied.reason === 'error' ? applied.error : applied.reason;
}

/** Admits live connections a few at a time, until the firewall refuses. */
export function* admitInSteps(
  firewall: Pick<Firewall, 'seed'>,
  pieces: Iterable<readonly Flow[]>,
  onWarning: (what: string) => void,
): Generator<undefined, undefined, undefined> {
  for (const flows of pieces) {
    const applied = flows.length === 0 ? undefined : firewall.seed(flows, SEED_SECONDS);
    if (applied?.ok === false) {
      onWarning(`live connections could not be admitted: ${refusal(applied)}`);
      return;
    }
    yield undefined;
  }
}

/** Which services are closed to strangers, for good or on trial. What closes a port reopens it unless somebody confirms from outside. */
export class Protections {
  readonly #context: ProtectionContext;
  #trials: readonly Trial[];

  constructor(context: ProtectionContext) {
    this.#context = context;
    const saved = context.store.meta('trials');
    this.#trials = saved === undefined ? [] : (JSON.parse(Buffer.from(saved).toString('utf8')) as Trial[]);
  }

  /** At start and after a reload: what the configuration says is protected is so; live connections are admitted first. */
  restore(services: readonly Service[]): void {
    this.#seed(this.#watched(services));
    for (const service of services) {
      if (!service.protect) continue;
      const applied = this.#context.firewall.protect(service.endpoints, undefined);
      if (!applied.ok) throw new PersonError(`cannot protect ${service.name}: ${refusal(applied)}`);
    }
  }

  /** Admits the live connections of every protected or tried service, so that idle sessions outlive conntrack's memory of them. In steps. */
  seedInSteps(services: readonly Service[]): Generator<undefined, undefined, undefined> {
    const { firewall, flowsInPieces, onWarning } = this.#context;
    const ports = this.#watched(services);
    return admitInSteps(firewall, ports.length === 0 ? [] : flowsInPieces(ports), onWarning);
  }

  /** The TCP ports of services that are closed to strangers. */
  #watched(services: readonly Service[]): number[] {
    return services.filter((service) => service.protect || this.#trialOf(service) !== undefined).flatMap(tcpPorts);
  }

  /** Protects `service` for `seconds`, after which the kernel undoes it. */
  try(service: Service, seconds: number, force: boolean): { until: UnixMicros; admitted: number } {
    const { firewall, clock, connections } = this.#context;
    if (seconds < SHORTEST_TRY && !force) {
      throw new PersonError(`${String(seconds)} seconds are too short to open a new connection and confirm`, {
        hint: `take at least ${String(SHORTEST_TRY)}, or add --force`,
      });
    }
    if (service.protect) {
      throw new PersonError(`${service.name} is protected for good already`, {
        hint: '`posternd unprotect` opens it to everybody',
      });
    }
    const before = connections(tcpPorts(service));
    const admitted = this.#seed(tcpPorts(service));
    const applied = firewall.protect(service.endpoints, seconds as Seconds);
    if (!applied.ok) throw new PersonError(`the firewall refused: ${refusal(applied)}`);
    const began = clock();
    const until = (began + seconds * MICROS_PER_SECOND) as UnixMicros;
    const trial = { service: service.name, began, until, before };
    this.#save([...this.#trials.filter((other) => other.service !== service.name), trial]);
    return { until, admitted };
  }

  /** Makes tried protections last, when the evidence says that a new connection gets in. */
  confirm(services: readonly Service[], named: string | undefined, evidence: AncestryEvidence): string[] {
    const tried = services.filter(
      (service) => this.#trialOf(service) !== undefined && (named === undefined || service.name === named),
    );
    if (tried.length === 0) {
      const what = named === undefined ? 'nothing is' : `${named} is not`;
      throw new PersonError(`${what} being tried`, {
        hint: 'start with `posternd protect SERVICE --try SECONDS`; an unconfirmed try ends by itself',
      });
    }
    const { connections, hostAddresses, grantedSince } = this.#context;
    for (const service of tried) {
      const trial = this.#trialOf(service);
      if (trial === undefined) continue;
      const ports = tcpPorts(service);
      const decision = mayConfirm({
        evidence,
        ports,
        before: trial.before,
        now: connections(ports),
        hostAddresses: hostAddresses(),
        grantedSince: grantedSince(service.name, trial.began),
      });
      if (decision.allow) continue;
      const { message, hint } = explainRefusal(decision.reason, service.name);
      throw new PersonError(message, { hint });
    }
    for (const service of tried) {
      // The file first: what it does not say must not outlive the try.
      this.#context.keep(service.name, true);
      const applied = this.#context.firewall.protect(service.endpoints, undefined);
      if (!applied.ok) throw new PersonError(`the firewall refused: ${refusal(applied)}`);
      this.#save(this.#trials.filter((trial) => trial.service !== service.name));
    }
    return tried.map((service) => service.name);
  }

  /** Services that are on trial. */
  tried(services: readonly Service[]): Service[] {
    return services.filter((service) => this.#trialOf(service) !== undefined);
  }

  /** Lets everybody reach the service again. */
  unprotect(service: Service): void {
    this.#context.keep(service.name, false);
    const applied = this.#context.firewall.unprotect(service.endpoints);
    if (!applied.ok) throw new PersonError(`the firewall refused: ${refusal(applied)}`);
    this.#save(this.#trials.filter((trial) => trial.service !== service.name));
  }

  /** How far a service is protected, and for how many seconds if it is on trial. */
  state(service: Service): { state: ProtectionState; remainingSeconds: number | undefined } {
    if (service.protect) return { state: 'protected', remainingSeconds: undefined };
    const trial = this.#trialOf(service);
    if (trial === undefined) return { state: 'open', remainingSeconds: undefined };
    return { state: 'trying', remainingSeconds: Math.ceil((trial.until - this.#context.clock()) / MICROS_PER_SECOND) };
  }

  #trialOf(service: Service): Trial | undefined {
    const now = this.#context.clock();
    return this.#trials.find((trial) => trial.service === service.name && trial.until > now);
  }

  #seed(ports: readonly number[]): number {
    const flows = ports.length === 0 ? [] : this.#context.flows(ports);
    if (flows.length === 0) return 0;
    const applied = this.#context.firewall.seed(flows, SEED_SECONDS);
    if (!applied.ok) this.#context.onWarning(`live connections could not be admitted: ${refusal(applied)}`);
    return flows.length;
  }

  #save(trials: readonly Trial[]): void {
    const now = this.#context.clock();
    this.#trials = trials.filter((trial) => trial.until > now);
    this.#context.store.setMeta('trials', Buffer.from(JSON.stringify(this.#trials), 'utf8'));
  }
}
