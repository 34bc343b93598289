/** What the configuration says, after validation: plain data. The files' format is in `docs/reference/configuration.md`. */
import type { DeviceId, DoorStep, Seconds, ServiceName, UnixMicros } from '@postern/protocol';
import type { Endpoint, Source, Target } from '../firewall/port.ts';
import type { Fwknop } from './fwknop/model.ts';

/** How knocks are seen: `packet` = AF_PACKET sockets in front of a closed port; `dgram` = an open UDP port, for containers. */
export type Capture = 'packet' | 'dgram';

/** Where a service lives that is not on this host; without a port each of its endpoints keeps its own. */
export type Forward = Omit<Target, 'port'> & { readonly port: number | undefined };

/** One protected service. */
export interface Service {
  readonly name: ServiceName;
  readonly endpoints: readonly Endpoint[];
  /** How long a grant lets new connections start, when the request asks for no time of its own. 30 by default. */
  readonly seconds: Seconds;
  /** The most that a request may ask for. `seconds` by default. */
  readonly maxSeconds: Seconds;
  /** Every grant admits one connection only. */
  readonly singleUse: boolean;
  /** Requests that leave their source to be observed by the gate may open it. */
  readonly observedSource: boolean;
  /** The shortest prefixes that a request may state as its source; 32 and 128 (one address) by default. */
  readonly prefix4: number;
  readonly prefix6: number;
  /** Where it lives, by family, when not on this host. Sources of a family that is missing cannot have it. */
  readonly forward?: Readonly<Partial<Record<4 | 6, Forward>>> | undefined;
  /** Confirmed: protected from the start of the host on. Written by `posternd confirm`. */
  readonly protect: boolean;
  /** Keyed knocks of devices may open it. */
  readonly keyed: boolean;
}

/** Commands of a door, each a program with its arguments; `{source}`, `{door}`, `{family}` and `{target}` in them stand for values. */
export interface DoorCommands {
  readonly start: readonly string[];
  /** For IPv6, if not the same; an empty one does nothing. */
  readonly start6: readonly string[] | undefined;
  readonly stop: readonly string[] | undefined;
  readonly stop6: readonly string[] | undefined;
  /** Seconds between start and stop. */
  readonly stopAfter: number;
  /** As whom they run; undefined: `nobody`. */
  readonly user: string | undefined;
  /** Seconds that each may take. */
  readonly timeLimit: number;
}

/** One door: knocks in a sequence that open something for whoever knocked. */
export interface Door {
  readonly name: string;
  /** Undefined for a door with one-time sequences. */
  readonly steps: readonly DoorStep[] | undefined;
  /** A file with a sequence a line, each good for one opening. */
  readonly oneTime: { readonly file: string; readonly lookAhead: number } | undefined;
  /** From the first to the last step, in microseconds. */
  readonly timeout: number;
  /** Gaps of steps that have none of their own, in microseconds: those of one-time sequences. */
  readonly minGap: number;
  readonly maxGap: number;
  /** Other ports that are forgiven. */
  readonly misses: number;
  readonly anyOrder: boolean;
  /** The only address that counts, 16 bytes; undefined: any of this host. */
  readonly target: Uint8Array | undefined;
  /** What it opens; undefined where it runs commands instead. */
  readonly opens: { readonly service: ServiceName; readonly seconds: Seconds } | undefined;
  readonly commands: DoorCommands | undefined;
}

/** One device of a user: a public key. */
export interface Device {
  readonly id: DeviceId;
  readonly name: string;
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly enrolled: UnixMicros | undefined;
  readonly expires: UnixMicros | undefined;
  readonly revoked: UnixMicros | undefined;
}

/** One user, from one file of users.d. */
export interface User {
  readonly name: string;
  /** The file that says so, for messages. */
  readonly file: string;
  readonly services: readonly ServiceName[];
  /** Sources from which the user's requests may come; undefined = anywhere. */
  readonly from: readonly Source[] | undefined;
  /** The most seconds of a grant for this user; undefined = the service's own. */
  readonly maxSeconds: Seconds | undefined;
  readonly expires: UnixMicros | undefined;
  readonly revoked: UnixMicros | undefined;
  readonly devices: readonly Device[];
}

/** The whole configuration. */
export interface Configuration {
  /** Path of posternd.toml. */
  readonly file: string;
  /** Path of gate.key, beside it. */
  readonly keyFile: string;
  /** Path of users.d, beside it. */
  readonly usersDirectory: string;
  /** What the gate calls itself in invites. */
  readonly name: string;
  /** UDP port of knocks; 62201 by default. */
  readonly port: number;
  /** Host names or addresses that invites carry. */
  readonly addresses: readonly string[];
  readonly capture: Capture;
  /** `required`: only suite 2 is heard. */
  readonly pq: 'required' | 'off';
  /** User that the sentry runs as. */
  readonly sentryUser: string;
  /** Directory of the state database; /var/lib/postern. */
  readonly stateDirectory: string;
  /** Path of the admin socket; /run/postern/posternd.sock. */
  readonly socket: string;
  /** Whole-host mode, confirmed: the host answers nobody but those with a grant, and what `allow` and `trust` say. */
  readonly dark: boolean;
  /** What everybody reaches of a dark host, as it is written: `tcp/80`, `ping`, `esp`. */
  readonly allow: readonly string[];
  /** Interfaces by which everything comes in to a dark host; `br-*` means all that begin so. */
  readonly trust: readonly string[];
  readonly services: readonly Service[];
  readonly doors: readonly Door[];
  /** What is heard of fwknop's packets; undefined: nothing. */
  readonly fwknop: Fwknop | undefined;
  readonly users: readonly User[];
}
