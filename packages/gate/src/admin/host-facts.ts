/** What `posternd check` reads of the host: facts only; `check-host.ts` judges them. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { PersonError } from '@postern/terminal';
import { readGateKey } from '../config/gate-key.ts';
import type { Configuration } from '../config/model.ts';
import { parseOneTime, readOneTime, type OneTimeLine } from '../config/one-time-file.ts';
import { systemUsers, type SystemUser } from '../config/system-user.ts';
import { readUnit, type UnitFacts } from './doctor/unit.ts';
import { readSshd, type SshdSettings } from './doctor/sshd.ts';

/** Owner and permissions of a file or directory that is there. */
export interface FileFacts {
  readonly path: string;
  readonly uid: number;
  /** Permission bits. */
  readonly mode: number;
}

/** Everything that the host part of `check` is decided by. */
export interface HostFacts {
  /** posternd.toml, users.d and its files; those that are missing are left out. */
  readonly files: readonly FileFacts[];
  /** Undefined while it does not exist: the daemon makes it. */
  readonly state: FileFacts | undefined;
  /** Why gate.key cannot be used, if so. */
  readonly key: { readonly message: string; readonly hint: string | undefined } | undefined;
  /** Files of users.d that do not count. */
  readonly passedOver: readonly string[];
  readonly sentryUser: SystemUser | undefined;
  readonly setpriv: boolean;
  readonly libnftables: boolean;
  /** net.core.optmem_max in bytes; undefined where it cannot be read. */
  readonly optmem: number | undefined;
  /** The daemon's socket; undefined while it does not exist. */
  readonly socket: FileFacts | undefined;
  /** Names of capabilities that posternd needs and this process has not: `CAP_NET_ADMIN`. */
  readonly missingCapabilities: readonly string[];
  /** Whether something keeps the clock; undefined where the kernel does not say. */
  readonly clockKept: boolean | undefined;
  /** Release of the kernel, `6.1.0-30-amd64`. */
  readonly kernel: string;
  /** Undefined where sshd is not, or does not tell. */
  readonly sshd: SshdSettings | undefined;
  /** Undefined where systemd does not start things. */
  readonly unit: UnitFacts | undefined;
  /** Lines that are left of each file of one-time sequences that can be read. */
  readonly oneTime: ReadonlyMap<string, readonly OneTimeLine[]>;
  /** Keyrings of gpg that stanzas of fwknop name and that are no directories, or cannot be read. */
  readonly missingKeyrings: readonly string[];
}

function factsOf(path: string): FileFacts | undefined {
  const status = statSync(path, { throwIfNoEntry: false });
  return status === undefined ? undefined : { path, uid: status.uid, mode: status.mode & 0o7777 };
}

function keyTrouble(file: string): HostFacts['key'] {
  try {
    readGateKey(file);
    return undefined;
  } catch (error) {
    if (!(error instanceof PersonError)) throw error;
    return { message: error.message, hint: error.hint };
  }
}

function optmem(): number | undefined {
  try {
    return Number(readFileSync('/proc/sys/net/core/optmem_max', 'latin1'));
  } catch {
    return undefined;
  }
}

/** Bits of capability(7) that posternd's monitor uses. */
const CAPABILITIES = { CAP_KILL: 5, CAP_SETGID: 6, CAP_SETUID: 7, CAP_SETPCAP: 8, CAP_NET_ADMIN: 12, CAP_NET_RAW: 13 };

function missingCapabilities(): string[] {
  const effective = BigInt(
    `0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0'}`,
  );
  return Object.entries(CAPABILITIES).flatMap(([name, bit]) =>
    ((effective >> BigInt(bit)) & 1n) === 0n ? [name] : [],
  );
}

function oneTimeLines({ doors }: Configuration): HostFacts['oneTime'] {
  const lines = new Map<string, readonly OneTimeLine[]>();
  for (const { oneTime } of doors) {
    if (oneTime === undefined) continue;
    try {
      lines.set(oneTime.file, parseOneTime(oneTime.file, readOneTime(oneTime.file)));
    } catch (error) {
      if (!(error instanceof PersonError)) throw error;
    }
  }
  return lines;
}

function unreadableKeyrings({ fwknop }: Configuration): readonly string[] {
  const homes = (fwknop?.stanzas ?? []).flatMap(({ cipher }) => (cipher.kind === 'gpg' ? [cipher.home] : []));
  return [...new Set(homes)].filter((home) => {
    try {
      readdirSync(home);
      return false;
    } catch {
      return true;
    }
  });
}

/** Reads the facts. Needs no daemon; changes nothing. */
export async function readHostFacts(configuration: Configuration): Promise<HostFacts> {
  const { file, usersDirectory, keyFile, sentryUser, stateDirectory, socket, users } = configuration;
  const [{ libnftablesPresent }, { clockIsKept }] = await Promise.all([
    import('../system/libnftables.ts'),
    import('../system/clock-state.ts'),
  ]);
  const known = new Set(users.map((user) => user.file));
  const listed = existsSync(usersDirectory) ? readdirSync(usersDirectory) : [];
  return {
    files: [file, usersDirectory, ...known].flatMap((path) => factsOf(path) ?? []),
    state: factsOf(stateDirectory),
    key: keyTrouble(keyFile),
    passedOver: listed.filter((name) => !known.has(join(usersDirectory, name))).sort(),
    sentryUser: systemUsers().get(sentryUser),
    setpriv: ['/usr/bin/setpriv', '/bin/setpriv'].some((path) => existsSync(path)),
    libnftables: libnftablesPresent(),
    optmem: optmem(),
    socket: factsOf(socket),
    missingCapabilities: missingCapabilities(),
    clockKept: clockIsKept(),
    kernel: release(),
    sshd: readSshd(),
    unit: readUnit(),
    oneTime: oneTimeLines(configuration),
    missingKeyrings: unreadableKeyrings(configuration),
  };
}
