/** The hosts that this device has joined: one private file each, in one private directory. */
import { type Dirent, mkdirSync, readdirSync, readFileSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, nearest, PersonError } from '@postern/terminal';
import { writeDurably } from './durable.ts';
import { type Host, hostName } from './host.ts';
import { decodeHost, decodeSummary, encodeHost, HostFileError, type HostSummary } from './host-file.ts';
import { type Derivation, deriveLock, type Lock, sameDerivation } from './locked-file.ts';
import { LockTimeout, withLock } from './lock.ts';
import type { AskPassphrase } from './passphrase.ts';
import { exposureOf, makePrivate } from './platform.ts';

/** How often a passphrase may be typed. */
const TRIES = 3;

/** The hosts in one directory. Every method throws a PersonError for what a person can mend. */
export class HostBook {
  readonly directory: string;
  readonly #hosts: string;
  readonly #ask: AskPassphrase;
  /** Of the files that were opened: nobody is asked twice in one command. */
  readonly #locks = new Map<string, Lock>();

  /**
   * @param directory - the client's directory; the files are in `hosts` beneath it
   * @param ask - asks for the passphrase of a file that has one
   */
  constructor(directory: string, ask: AskPassphrase = nobodyToAsk) {
    this.directory = directory;
    this.#hosts = join(directory, 'hosts');
    this.#ask = ask;
  }

  /** Path of a host's file. */
  fileOf(name: string): string {
    return join(this.#hosts, `${name}.json`);
  }

  /** Names of all hosts, sorted. */
  names(): string[] {
    let entries: Dirent[];
    try {
      entries = readdirSync(this.#hosts, { withFileTypes: true });
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return [];
      throw storageError(error, this.#hosts);
    }
    return entries
      .filter((entry) => !entry.isDirectory() && entry.name.endsWith('.json'))
      .map((entry) => entry.name.slice(0, -'.json'.length))
      .filter((name) => hostName(name) === name)
      .sort();
  }

  /** The host that a person calls `typed`. */
  get(typed: string): Host {
    const host = this.find(typed);
    if (host === undefined) throw this.#unknown(typed);
    return host;
  }

  /** The same, or undefined if there is none. */
  find(typed: string): Host | undefined {
    const name = hostName(typed);
    return name === undefined ? undefined : this.#readHost(name);
  }

  /** What is known of a host without its passphrase. */
  summary(typed: string): HostSummary {
    const name = hostName(typed);
    const summary = name === undefined ? undefined : this.#read(name, decodeSummary);
    if (summary === undefined) throw this.#unknown(typed);
    return summary;
  }

  /** Keeps a new host, or one that is being joined again. Durable on return. */
  async put(host: Host): Promise<void> {
    this.#makeDirectory();
    await this.#locked(host.name, () => {
      this.#write(host);
    });
  }

  /** Changes a host under its lock, with nobody else's change in between. Durable on return. */
  async update(name: string, change: (host: Host) => Host): Promise<Host> {
    return this.#locked(name, () => {
      const host = this.#readHost(name);
      if (host === undefined) throw this.#unknown(name);
      const changed = change(host);
      if (changed !== host) this.#write(changed);
      return changed;
    });
  }

  /** Forgets a host and its keys. */
  async remove(typed: string): Promise<void> {
    const name = hostName(typed);
    if (name === undefined || !this.names().includes(name)) throw this.#unknown(typed);
    await this.#locked(name, () => {
      unlinkSync(this.fileOf(name));
    });
  }

  #unknown(typed: string): PersonError {
    const names = this.names();
    const near = nearest(typed, names);
    const hint =
      names.length === 0
        ? 'join one first: `postern join` asks for the invite'
        : near === undefined
          ? '`postern hosts` lists them'
          : `did you mean \`${near}\`?`;
    return new PersonError(`there is no host ${JSON.stringify(typed)}`, { hint, exitCode: EXIT.configuration });
  }

  #makeDirectory(): void {
    try {
      if (mkdirSync(this.#hosts, { recursive: true, mode: 0o700 }) !== undefined) {
        makePrivate(this.directory);
        makePrivate(this.#hosts);
      }
    } catch (error) {
      throw storageError(error, this.#hosts);
    }
  }

  #write(host: Host): void {
    writeDurably(this.fileOf(host.name), encodeHost(host));
    if (host.lock !== undefined) this.#locks.set(host.name, host.lock);
  }

  #readHost(name: string): Host | undefined {
    let asked = 0;
    const unlock = (derivation: Derivation, wrong: boolean): Lock => {
      const known = this.#locks.get(name);
      if (!wrong && known !== undefined && sameDerivation(known, derivation)) return known;
      if (asked++ === TRIES) throw wrongPassphrase(name);
      const lock = deriveLock(this.#ask(`${wrong ? 'that was not it; ' : ''}passphrase for ${name}: `), derivation);
      this.#locks.set(name, lock);
      return lock;
    };
    return this.#read(name, (text) => decodeHost(text, unlock));
  }

  #read<T extends { readonly name: string }>(name: string, decode: (text: string) => T): T | undefined {
    const path = this.fileOf(name);
    try {
      for (const place of [this.#hosts, path]) refuseExposed(place);
      const host = decode(readFileSync(path, 'utf8'));
      if (host.name !== name) throw new HostFileError(`name: ${JSON.stringify(name)} expected, as the file is called`);
      return host;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      if (error instanceof HostFileError) {
        const hint = `put back a copy, or \`postern hosts remove ${name}\` and join again with a new invite`;
        throw new PersonError(`${path} is damaged: ${error.message}`, { hint, exitCode: EXIT.configuration });
      }
      throw storageError(error, path);
    }
  }

  async #locked<T>(name: string, section: () => T): Promise<T> {
    const path = `${this.fileOf(name)}.lock`;
    try {
      return await withLock(path, section);
    } catch (error) {
      if (error instanceof LockTimeout) {
        const who = error.holder === undefined ? 'another process' : `process ${error.holder}`;
        const hint = `end that process, or if it has nothing to do with postern remove ${path}`;
        throw new PersonError(`the file of ${name} is in use by ${who}`, { hint });
      }
      throw storageError(error, path);
    }
  }
}

function nobodyToAsk(): never {
  throw new PersonError('the key of this host has a passphrase', { exitCode: EXIT.configuration });
}

function wrongPassphrase(name: string): PersonError {
  return new PersonError(`wrong passphrase for ${name}`, {
    hint: `if it is lost, nobody can find it out: \`postern hosts remove ${name}\`, and join with a new invite`,
    exitCode: EXIT.configuration,
  });
}

function refuseExposed(path: string): void {
  const exposure = exposureOf(path, statSync(path));
  if (exposure === undefined) return;
  throw new PersonError(`${path} ${exposure.what}, and holds private keys`, {
    hint: `\`${exposure.mend}\` makes it private; if others may have read it, ask for a new invite`,
    exitCode: EXIT.configuration,
  });
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

const REASONS: Readonly<Record<string, readonly [string, string | undefined]>> = {
  EACCES: ['permission denied', 'the directory and its files must belong to you'],
  EPERM: ['permission denied', 'the directory and its files must belong to you'],
  EROFS: ['the file system is read-only', '`--config DIR` names another directory'],
  ENOSPC: [
    'the disk is full',
    'nothing was sent: a request counts only once its time is on disk, so that no time is used twice',
  ],
  EDQUOT: ['the disk quota is used up', 'nothing was sent: a request counts only once its time is on disk'],
  ENOTDIR: ['a part of the path is not a directory', undefined],
};

function storageError(error: unknown, path: string): unknown {
  if (error instanceof PersonError) return error;
  const code = codeOf(error);
  if (code === undefined) return error;
  const [reason, hint] = REASONS[code] ?? [code, undefined];
  return new PersonError(`cannot use ${path}: ${reason}`, { hint, exitCode: EXIT.configuration, cause: error });
}
