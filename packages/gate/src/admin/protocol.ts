/**
 * The admin protocol: what the commands ask the running daemon over its root-only unix socket. One request a connection: the client
 * sends one line of JSON, `{ "command": "<name>", "arguments": {…} }`; the daemon answers with any number of `{ "progress": "text" }`
 * lines and one last line, `{ "ok": true, "value": … }` or `{ "ok": false, "error": { "message", "hint"?, "exitCode" } }`, and closes.
 *
 * Everything is plain JSON: times are ISO 8601 strings in UTC (`2026-11-22T15:00:00.000Z`), durations are numbers in the unit that
 * their name ends with, keys and ids are lower-case hexadecimal. Absent and undefined mean the same.
 */
import type { AncestryEvidence } from './evidence.ts';
import type { Finding } from './finding.ts';

/** Longest line in either direction, in bytes with its line feed. A longer one ends the connection. */
export const MAX_LINE: number = 1 << 20;

/** Most entries in one answer to a `list` command; `next` says where the next page begins. */
export const PAGE = 1_000;

/** A time: ISO 8601, UTC, with milliseconds. */
export type IsoTime = string;

/** Where a page begins: entries sorted after `after` (an opaque `next` of the page before). */
export interface PageArguments {
  readonly after?: string | undefined;
}

/** `next` is present when there is more. */
export interface PageValue {
  readonly next?: string | undefined;
}

/** How far a service is protected: `trying` ends by itself unless it is confirmed. */
export type ProtectionState = 'open' | 'trying' | 'protected';

/** Whole-host mode in `status`. */
export interface DarkStatus {
  /** `no-way-in`: the configuration says dark, but no device could open anything when the daemon started, so the host is as any other. */
  readonly state: 'trying' | 'dark' | 'no-way-in';
  /** Seconds until `trying` ends. */
  readonly remainingSeconds?: number | undefined;
  /** As in the configuration: what everybody reaches, and interfaces by which everything comes in. */
  readonly allow: readonly string[];
  readonly trust: readonly string[];
}

/** One service in `status`. */
export interface ServiceStatus {
  readonly name: string;
  /** As in the configuration: `tcp/22`. */
  readonly ports: readonly string[];
  readonly protection: ProtectionState;
  /** Seconds until `trying` ends. */
  readonly remainingSeconds?: number | undefined;
  /** Grants for this service that live now. */
  readonly grants: number;
}

/** How far the change of gate keys after a revocation is. */
export interface RotationStatus {
  readonly since: IsoTime;
  /** Ends then at the latest: the old key is dropped, and a device that was never heard in between needs a new invite. */
  readonly until: IsoTime;
  /** Live devices that have not used the next key yet. */
  readonly waitingDevices: number;
  /** A device was revoked since, so that another change follows. */
  readonly again: boolean;
}

/** Port knocking in `status`. */
export interface KnockingStatus {
  /** Names of the doors. */
  readonly doors: readonly string[];
  /** Pairs of a device and a service that keyed knocks can open. */
  readonly keyed: number;
  /** What opened since `started`. */
  readonly opened: { readonly doors: number; readonly keyed: number };
  /** What the sentry counted since `started`: `knocks` that it saw, `strange` packets, events of `doors` and of `keyed` sets, `busy` ones that were lost. */
  readonly seen: Readonly<Record<string, number>>;
  /** Events that opened nothing since `started`, by reason; reasons that were never met are left out. */
  readonly refused: Readonly<Record<string, number>>;
}

/** What is heard of fwknop's format. */
export interface FwknopStatus {
  /** Names of the stanzas. */
  readonly stanzas: readonly string[];
  /** Different keys among them, each of which a stranger's packet is tried with. */
  readonly credentials: number;
  /** Where packets are heard: `udp/62201`. */
  readonly hears: readonly string[];
  /** What was opened or run since `started`. */
  readonly opened: number;
  /** What the sentry counted since `started`; what was never met is left out. */
  readonly seen: Readonly<Record<string, number>>;
  /** Packets that a key opened and that opened nothing since `started`, by reason. */
  readonly refused: Readonly<Record<string, number>>;
}

/** Value of `status`. */
export interface StatusValue {
  readonly version: string;
  readonly name: string;
  readonly pid: number;
  readonly started: IsoTime;
  readonly configFile: string;
  readonly port: number;
  readonly capture: 'packet' | 'dgram';
  readonly pq: 'required' | 'off';
  /** The random id that was made with the state database, 16 hexadecimal digits. */
  readonly stateId: string;
  readonly sentry: {
    readonly user: string;
    /** Absent while it is being restarted. */
    readonly pid?: number | undefined;
    /** How often it had to be started again since `started`. */
    readonly restarts: number;
  };
  readonly services: readonly ServiceStatus[];
  /** Absent where the host as a whole is not hidden. */
  readonly dark?: DarkStatus | undefined;
  readonly users: number;
  readonly devices: number;
  readonly grants: number;
  readonly rotation?: RotationStatus | undefined;
  /** Absent where there are neither doors nor keyed services. */
  readonly knocking?: KnockingStatus | undefined;
  readonly fwknop?: FwknopStatus | undefined;
  /** Packets to the knock port that the firewall counted. */
  readonly knocks: number;
  /** Requests that were granted since `started`. */
  readonly granted: number;
  /** Refused packets since `started`, by reason; reasons that were never met are left out. */
  readonly refusals: Readonly<Record<string, number>>;
}

/** Value of `user.add` and `invite`: the only time that the invite is shown. */
export interface InviteValue {
  readonly user: string;
  /** One line for `postern join`. A secret. */
  readonly invite: string;
  readonly expires: IsoTime;
  readonly services: readonly string[];
  readonly addresses: readonly string[];
}

/** One user. */
export interface UserEntry {
  readonly name: string;
  readonly file: string;
  readonly services: readonly string[];
  /** Devices that are neither revoked nor expired. */
  readonly devices: number;
  /** Invites that can still be used. */
  readonly invites: number;
  readonly expires?: IsoTime | undefined;
  readonly revoked?: IsoTime | undefined;
}

/** One device. */
export interface DeviceEntry {
  /** 32 hexadecimal digits. */
  readonly id: string;
  readonly user: string;
  readonly name: string;
  readonly enrolled?: IsoTime | undefined;
  readonly expires?: IsoTime | undefined;
  readonly revoked?: IsoTime | undefined;
  /** The last request that was recorded. */
  readonly lastHeard?: IsoTime | undefined;
}

/** What a revocation did. */
export interface RevokedValue {
  readonly user: string;
  /** Ids of the devices that are revoked by this. */
  readonly devices: readonly string[];
  /** Ids of the grants that ended. */
  readonly grants: readonly string[];
  /** Invites that can no longer be used. */
  readonly invites: number;
  /** The gate key changes: at once, or after the change under way. */
  readonly rotation: 'started' | 'queued';
}

/** One grant. */
export interface GrantEntry {
  /** 16 hexadecimal digits. */
  readonly id: string;
  /** Absent when the grant was adopted from the kernel and its device is unknown. */
  readonly user?: string | undefined;
  readonly device?: string | undefined;
  readonly service?: string | undefined;
  /** Address or prefix. */
  readonly source: string;
  readonly ports: readonly string[];
  /** Where they lead, when not to this host: an address, with a port (`10.0.3.7:443`, `[fd00::7]:443`) where it is another. */
  readonly target?: string | undefined;
  readonly singleUse: boolean;
  readonly ends: IsoTime;
  readonly remainingSeconds: number;
}

/** Value of `protect`. */
export interface ProtectValue {
  readonly service: string;
  readonly ports: readonly string[];
  /** When it is undone unless it is confirmed. */
  readonly until: IsoTime;
  /** Live connections that were admitted. */
  readonly admitted: number;
}

/** Value of `confirm`: what is protected for good now. */
export interface ConfirmValue {
  readonly services: readonly string[];
  /** The whole host. */
  readonly dark?: boolean | undefined;
}

/** Value of `dark`. */
export interface DarkValue {
  /** When it is undone unless it is confirmed. */
  readonly until: IsoTime;
  readonly allow: readonly string[];
  readonly trust: readonly string[];
  /** What a knock opens. */
  readonly services: readonly { readonly name: string; readonly ports: readonly string[] }[];
  /** Live connections that were admitted. */
  readonly admitted: number;
  /** Bridges and tunnels that are not in `trust`. */
  readonly behind: readonly string[];
}

/** Value of `undo`. */
export interface UndoValue {
  readonly dark: 'none' | 'trial' | 'confirmed';
  /** Services that everybody reaches now. */
  readonly services: readonly string[];
  /** False when no daemon runs, and the command did it alone. */
  readonly running: boolean;
  /** What the configuration still says and a person must change; empty as a rule. */
  readonly byHand: readonly string[];
}

/** Value of `reload`. */
export interface ReloadValue {
  readonly services: number;
  readonly users: number;
  readonly devices: number;
  /** What changed but needs a restart of the daemon, as configuration keys (`gate.port`). */
  readonly needsRestart: readonly string[];
}

/** No arguments. */
export type NoArguments = Readonly<Record<string, never>>;

/** Every command with its arguments and its value. */
export interface AdminCommands {
  readonly status: { readonly arguments: NoArguments; readonly value: StatusValue };
  /** `services` absent = all. `expiresHours` is the invite's, 24 when absent. Refuses a user that exists. */
  readonly 'user.add': {
    readonly arguments: {
      readonly name: string;
      readonly services?: readonly string[] | undefined;
      readonly expiresHours?: number | undefined;
    };
    readonly value: InviteValue;
  };
  readonly invite: {
    readonly arguments: { readonly name: string; readonly expiresHours?: number | undefined };
    readonly value: InviteValue;
  };
  readonly 'user.list': {
    readonly arguments: PageArguments;
    readonly value: PageValue & { readonly users: readonly UserEntry[] };
  };
  readonly 'user.revoke': { readonly arguments: { readonly name: string }; readonly value: RevokedValue };
  readonly 'device.list': {
    readonly arguments: PageArguments & { readonly user?: string | undefined };
    readonly value: PageValue & { readonly devices: readonly DeviceEntry[] };
  };
  /** `id`: 32 hexadecimal digits, or the first 6 or more of them where no other device begins so. */
  readonly 'device.revoke': { readonly arguments: { readonly id: string }; readonly value: RevokedValue };
  readonly 'grant.list': {
    readonly arguments: PageArguments;
    readonly value: PageValue & { readonly grants: readonly GrantEntry[] };
  };
  /** `id`: 16 hexadecimal digits, or the first 6 or more of them where no other grant begins so. */
  readonly 'grant.end': { readonly arguments: { readonly id: string }; readonly value: { readonly id: string } };
  /** `fwknop`: the directory that the daemon was started with beside its configuration. */
  readonly check: {
    readonly arguments: NoArguments;
    readonly value: { readonly findings: readonly Finding[]; readonly fwknop?: string | undefined };
  };
  readonly protect: {
    readonly arguments: { readonly service: string; readonly seconds: number; readonly force: boolean };
    readonly value: ProtectValue;
  };
  /** `service` absent = everything that is being tried. */
  readonly confirm: {
    readonly arguments: { readonly service?: string | undefined; readonly evidence: AncestryEvidence };
    readonly value: ConfirmValue;
  };
  readonly unprotect: {
    readonly arguments: { readonly service: string };
    readonly value: { readonly service: string };
  };
  readonly dark: {
    readonly arguments: {
      readonly allow: readonly string[];
      readonly trust: readonly string[];
      readonly seconds: number;
      readonly force: boolean;
    };
    readonly value: DarkValue;
  };
  readonly undo: { readonly arguments: { readonly all: boolean }; readonly value: UndoValue };
  readonly reload: { readonly arguments: NoArguments; readonly value: ReloadValue };
}

/** Name of a command. */
export type AdminCommand = keyof AdminCommands;

/** Arguments of command `C`. */
export type AdminArguments<C extends AdminCommand> = AdminCommands[C]['arguments'];

/** Value of command `C`. */
export type AdminValue<C extends AdminCommand> = AdminCommands[C]['value'];

/** One request, as a union over all commands. */
export type AdminRequest = {
  readonly [C in AdminCommand]: { readonly command: C; readonly arguments: AdminArguments<C> };
}[AdminCommand];

/** An error as it crosses the socket: the parts of a PersonError. */
export interface AdminError {
  readonly message: string;
  readonly hint?: string | undefined;
  readonly exitCode: number;
}

/** One line of an answer. */
export type AdminReply =
  | { readonly progress: string }
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: AdminError };

/** The server's side: one handler a command; a PersonError that it throws is sent as the error. */
export type AdminHandlers = {
  readonly [C in AdminCommand]: (
    args: AdminArguments<C>,
    progress: (text: string) => void,
  ) => AdminValue<C> | Promise<AdminValue<C>>;
};
