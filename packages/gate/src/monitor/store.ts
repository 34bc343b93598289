import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import {
  decodeRow,
  encodeRow,
  fromHex,
  toHex,
  type DeviceId,
  type FreshnessRow,
  type Random,
  type RequestId,
  type ServiceName,
  type UnixMicros,
} from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import { FWKNOP_TABLES, fwknopRecords, type FwknopRecords } from './fwknop-records.ts';
import type { Holder } from './holder.ts';
import { LastRecord } from './last-record.ts';
import { messageOf } from './log.ts';

/** Version of the database's layout; another one is refused, never guessed at. */
const LAYOUT = 1;
/** Size to which the write-ahead log is grown at the start, in bytes. */
const LOG_BYTES = 2 << 20;
/** Size of a page of the database, SQLite's default; each change of one row writes one, and 24 bytes, into the log. */
const PAGE_BYTES = 4096;
/** How many times that must be free on the disk, before and after. */
const ROOM = 4;
/** Most changes between two checkpoints, of records, keyed knocks and grants: they fit the log. */
const CHECKPOINT = 448;
/** Rows that are kept in memory as well, of the devices that were heard last: looking one up then costs next to nothing. */
const CACHED = 4096;
/** Usually the checkpoint comes when nothing was recorded for so long, in milliseconds: it may take longer than a knock should wait. */
const REST = 2_000;

const SCHEMA = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE freshness (device BLOB PRIMARY KEY, row BLOB NOT NULL, gate_key BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE invite (
  id BLOB PRIMARY KEY, user TEXT NOT NULL, public_key BLOB NOT NULL, gate_key BLOB NOT NULL,
  created INTEGER NOT NULL, expires INTEGER NOT NULL, used_by BLOB
) STRICT, WITHOUT ROWID;
CREATE TABLE granted (
  id TEXT PRIMARY KEY, request TEXT NOT NULL, device TEXT NOT NULL, service TEXT NOT NULL,
  family INTEGER NOT NULL, address BLOB NOT NULL, prefix INTEGER NOT NULL, endpoints TEXT NOT NULL,
  created INTEGER NOT NULL, ends INTEGER NOT NULL, slot INTEGER
) STRICT, WITHOUT ROWID;
`;

/** Came later, so that a database without it gets it. */
const LATER = `
CREATE TABLE IF NOT EXISTS knocked (device BLOB PRIMARY KEY, slot INTEGER NOT NULL) STRICT, WITHOUT ROWID;
${FWKNOP_TABLES}`;

/** One durable row of the freshness rule, and which gate key its device used last (see {@link gateKeyId}). */
export interface Remembered {
  readonly row: FreshnessRow;
  readonly gateKey: Uint8Array;
}

/** An invite as the gate keeps it: the public half of its one-time key. */
export interface StoredInvite {
  readonly id: DeviceId;
  readonly user: string;
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Identity of the gate key that it carries. */
  readonly gateKey: Uint8Array;
  readonly created: UnixMicros;
  readonly expires: UnixMicros;
  /** Public key of the device that used it. */
  readonly usedBy: Uint8Array | undefined;
}

/** A grant as the database keeps it, so that a restart knows whose it is. The kernel alone knows whether it still holds. */
export interface StoredGrant {
  readonly id: string;
  readonly request: RequestId;
  readonly device: Holder;
  /** Undefined for endpoints of no service. */
  readonly service: ServiceName | undefined;
  readonly family: 4 | 6;
  readonly address: Uint8Array;
  readonly prefix: number;
  /** "tcp/22 udp/53" */
  readonly endpoints: string;
  readonly created: UnixMicros;
  readonly ends: UnixMicros;
  readonly slot: number | undefined;
}

/** The state database. One process opens it: the monitor. */
export interface Store extends Disposable {
  /** Random 8 bytes made with the database: a device that names another one talks to a state that is lost. */
  readonly stateId: Uint8Array;
  /** Whether the state id is new: the database was made by this start, or may lack records that were made. */
  readonly fresh: boolean;
  /** Where a damaged database was moved to by this start. */
  readonly damaged: string | undefined;
  /** Packets of fwknop's format. */
  readonly fwknop: FwknopRecords;
  freshnessOf(id: DeviceId): Remembered | undefined;
  /**
   * Notes what is about to be recorded, where the end of this process does not reach it. On true nothing that this row rules out can open any
   * more, whatever happens next: freshness is judged by it at once; after a crash before the record the state has a new id; and after a power
   * loss it has one anyway. So what the request asks for may be done before the disk is waited for, and `record` must follow. False: it
   * could not be noted, or the disk failed lately, and the record has to come first.
   */
  announce(id: DeviceId, row: FreshnessRow, gateKey: Uint8Array): boolean;
  /**
   * The durable record: on return it survives power loss. Throws when it could not be written (a full disk); one that was announced is then
   * owed, and recorded together with the next one or neither is.
   */
  record(id: DeviceId, row: FreshnessRow, gateKey: Uint8Array): void;
  /** The slot of the last keyed knock of a device that opened. */
  knockedSlot(id: DeviceId): number | undefined;
  /** The durable record of a keyed knock: on return it survives power loss. Throws when it could not be written. */
  recordKnock(id: DeviceId, slot: number): void;
  /** The highest slot of any device; 0 when there is none. */
  lastKnockedSlot(): number;
  /** Gate keys that devices used last, for the end of a rotation. */
  gateKeysUsed(): Map<DeviceId, string>;
  /** Forgets a device: what it sent in its window counts anew. For tests. */
  forget(id: DeviceId): void;
  addInvite(invite: StoredInvite): void;
  inviteOf(id: DeviceId): StoredInvite | undefined;
  invites(): StoredInvite[];
  useInvite(id: DeviceId, publicKey: Uint8Array): void;
  removeInvites(where: { user?: string; expiredBefore?: UnixMicros }): number;
  putGrant(grant: StoredGrant): void;
  dropGrant(id: string): void;
  grants(): StoredGrant[];
  setMeta(key: string, value: Uint8Array): void;
  meta(key: string): Uint8Array | undefined;
}

function bytes(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new TypeError('the state database holds a value of the wrong type');
  return value;
}

function integer(value: unknown): number {
  if (typeof value !== 'number') throw new TypeError('the state database holds a value of the wrong type');
  return value;
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('the state database holds a value of the wrong type');
  return value;
}

function openDatabase(file: string): DatabaseSync {
  try {
    const database = new DatabaseSync(file, { timeout: 2000 });
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;');
    return database;
  } catch (error) {
    throw unusable('open', file, error);
  }
}

function unusable(what: 'open' | 'use', file: string, error: unknown): PersonError {
  return new PersonError(`cannot ${what} the state database ${file}: ${messageOf(error)}`, {
    hint: 'is the directory on a full or read-only disk? A damaged database may be moved away: each device then needs one more round trip',
    cause: error,
  });
}

/** Error codes of SQLite (sqlite3.h) for a file that is damaged, or no database at all. */
const DAMAGED: readonly unknown[] = [11, 26];

/** Opens the database; a damaged one is moved away, with its log, and a new one made: each device then needs one more round trip. */
function openSound(file: string): { database: DatabaseSync; damaged: string | undefined } {
  try {
    return { database: openDatabase(file), damaged: undefined };
  } catch (error) {
    const cause: unknown = error instanceof Error ? error.cause : undefined;
    if (!(cause instanceof Error) || !('errcode' in cause) || !DAMAGED.includes(cause.errcode)) throw error;
    const damaged = `${file}.damaged`;
    for (const suffix of ['', '-wal', '-shm']) {
      rmSync(damaged + suffix, { force: true });
      if (existsSync(file + suffix)) renameSync(file + suffix, damaged + suffix);
    }
    return { database: openDatabase(file), damaged };
  }
}

function layoutOf(database: DatabaseSync): number {
  return integer(database.prepare('PRAGMA user_version').get()?.['user_version']);
}

/** Makes the tables of a new database. @throws PersonError for the layout of another posternd, which is not guessed at */
function layOut(database: DatabaseSync, file: string): void {
  const layout = layoutOf(database);
  if (layout === LAYOUT) {
    database.exec(LATER);
    return;
  }
  if (layout !== 0) {
    throw new PersonError(
      `the state database ${file} has layout ${String(layout)}; this posternd writes layout ${String(LAYOUT)}`,
      { hint: 'run the posternd that made it, or move the file away: each device then needs one more round trip' },
    );
  }
  database.exec(`BEGIN IMMEDIATE; ${SCHEMA} ${LATER} PRAGMA user_version = ${String(LAYOUT)};`);
  database.exec('COMMIT');
}

/**
 * Grows the write-ahead log once and starts it anew: records then overwrite blocks that are there, which is several times faster to
 * make durable than growing a file.
 */
function preallocate(relaxed: DatabaseSync, directory: string): void {
  const { bavail, bsize } = statfsSync(directory);
  // A disk without this room may still have room for records; they are slower then.
  if (bavail * bsize < ROOM * LOG_BYTES) return;
  try {
    // The same page again and again: that grows the log and not the database.
    const filler = relaxed.prepare(
      "INSERT INTO meta VALUES ('filler', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
    );
    const value = new Uint8Array(1);
    for (let size = 0; size < LOG_BYTES; size += PAGE_BYTES) {
      value[0] = (value[0] ?? 0) ^ 1;
      filler.run(value);
    }
    relaxed.exec("DELETE FROM meta WHERE key = 'filler'; PRAGMA wal_checkpoint(RESTART)");
  } catch {
    // The disk filled up meanwhile.
  }
}

/**
 * Opens or makes `state.db` in `directory` (made with mode 0700); `lastRecord` is the file of the {@link LastRecord} mirror. Freshness is durable when `record` returns; what the
 * kernel knows better (grants) is not waited for.
 */
export function openStore(directory: string, lastRecord: string, random: Random): Store {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, 'state.db');
  const { database, damaged } = openSound(file);
  chmodSync(file, 0o600);
  try {
    layOut(database, file);
  } catch (error) {
    database.close();
    throw error instanceof PersonError ? error : unusable('use', file, error);
  }
  const relaxed = openDatabase(file);
  relaxed.exec('PRAGMA synchronous = OFF');
  preallocate(relaxed, directory);

  const sql = (source: string): StatementSync => database.prepare(source);
  const meta = sql('SELECT value FROM meta WHERE key = ?');
  const setMeta = sql('INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value');
  const freshness = sql('SELECT row, gate_key FROM freshness WHERE device = ?');
  const setFreshness = sql(
    'INSERT INTO freshness VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET row = excluded.row, gate_key = excluded.gate_key',
  );
  const knocked = sql('SELECT slot FROM knocked WHERE device = ?');
  const setKnocked = sql('INSERT INTO knocked VALUES (?, ?) ON CONFLICT DO UPDATE SET slot = max(slot, excluded.slot)');
  const lastKnocked = sql('SELECT max(slot) AS slot FROM knocked');
  const gateKeys = sql('SELECT device, gate_key FROM freshness');
  const forget = sql('DELETE FROM freshness WHERE device = ?');
  const addInvite = sql('INSERT INTO invite VALUES (?, ?, ?, ?, ?, ?, NULL)');
  const invite = sql('SELECT * FROM invite WHERE id = ?');
  const invites = sql('SELECT * FROM invite ORDER BY created');
  const useInvite = sql('UPDATE invite SET used_by = ? WHERE id = ?');
  const removeUser = sql('DELETE FROM invite WHERE user = ?');
  const removeExpired = sql('DELETE FROM invite WHERE expires < ?');
  const putGrant = relaxed.prepare(
    'INSERT INTO granted VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET ends = excluded.ends, slot = excluded.slot',
  );
  const dropGrant = relaxed.prepare('DELETE FROM granted WHERE id = ?');
  const grants = relaxed.prepare('SELECT * FROM granted ORDER BY created');

  const readInvite = (row: Record<string, unknown>): StoredInvite => ({
    id: toHex(bytes(row['id'])) as DeviceId,
    user: text(row['user']),
    publicKey: bytes(row['public_key']),
    gateKey: bytes(row['gate_key']),
    created: integer(row['created']) as UnixMicros,
    expires: integer(row['expires']) as UnixMicros,
    usedBy: row['used_by'] === null ? undefined : bytes(row['used_by']),
  });

  const rowOf = (id: DeviceId): Remembered | undefined => {
    const found = freshness.get(fromHex(id));
    return found === undefined ? undefined : { row: decodeRow(bytes(found['row'])), gateKey: bytes(found['gate_key']) };
  };
  const mirror = new LastRecord(lastRecord);
  const known = meta.get('state-id')?.['value'];
  const fresh = known === undefined || !mirror.matches(bytes(known), (id) => rowOf(id)?.row);
  const stateId = fresh ? random(8) : bytes(known);
  if (fresh) {
    try {
      setMeta.run('state-id', stateId);
      mirror.clear(stateId);
    } catch {
      // A full disk. The id holds for this run all the same: it is not in the mirror, so the next start takes another one.
    }
  }
  const cache = new Map<DeviceId, Remembered>();
  /** What was announced, and could not be recorded. */
  const owed = new Map<DeviceId, Remembered>();
  let announced: (Remembered & { readonly id: DeviceId }) | undefined;
  let failing = false;
  /** What was announced, and is not what is recorded next (whoever announced it failed in between), is owed. */
  const settle = (row: FreshnessRow): boolean => {
    const same = announced?.row === row;
    if (announced !== undefined && !same) owed.set(announced.id, announced);
    announced = undefined;
    return same;
  };
  const remember = (id: DeviceId, it: Remembered): void => {
    cache.delete(id);
    cache.set(id, it);
    const [oldest] = cache.size > CACHED ? cache.keys() : [];
    if (oldest !== undefined) cache.delete(oldest);
  };
  /** What is owed and what comes now are recorded together or not at all: else the mirror could match while something is missing. */
  const recordAll = (
    before: readonly (readonly [DeviceId, Remembered])[],
    last: readonly [DeviceId, Remembered],
  ): void => {
    const write = ([id, { row, gateKey }]: readonly [DeviceId, Remembered]): void => {
      setFreshness.run(fromHex(id), encodeRow(row), gateKey);
    };
    if (before.length === 0) {
      write(last);
      return;
    }
    database.exec('BEGIN IMMEDIATE');
    try {
      for (const it of [...before, last]) write(it);
      database.exec('COMMIT');
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  };
  let changes = 0;
  let resting: NodeJS.Timeout | undefined;
  let open = true;
  const checkpoint = (): void => {
    try {
      if (open) database.exec('PRAGMA wal_checkpoint(PASSIVE)');
    } catch {
      // A full disk: the log keeps what it has, and records say so themselves.
    }
  };
  /** After each change of a knock: a log that had to grow would make the next one wait for more of the disk. */
  const changed = (): void => {
    resting?.refresh();
    resting ??= setTimeout(checkpoint, REST).unref();
    if (++changes % CHECKPOINT === 0) setImmediate(checkpoint);
  };

  return {
    stateId,
    fresh,
    damaged,
    fwknop: fwknopRecords(database, changed),
    // The cache first: what is owed may be older than what was announced since.
    freshnessOf: (id) => cache.get(id) ?? owed.get(id) ?? rowOf(id),
    announce(id, row, gateKey) {
      settle(row);
      if (failing || !mirror.set(id, row)) return false;
      announced = { id, row, gateKey };
      remember(id, { row, gateKey });
      return true;
    },
    record(id, row, gateKey) {
      const ahead = settle(row);
      try {
        recordAll(
          [...owed].filter(([other]) => other !== id),
          [id, { row, gateKey }],
        );
      } catch (error) {
        failing = true;
        if (ahead) owed.set(id, { row, gateKey });
        throw error;
      }
      failing = false;
      owed.clear();
      if (!ahead) mirror.set(id, row);
      remember(id, { row, gateKey });
      changed();
    },
    knockedSlot(id) {
      const found = knocked.get(fromHex(id))?.['slot'];
      return found === undefined ? undefined : integer(found);
    },
    recordKnock(id, slot) {
      setKnocked.run(fromHex(id), slot);
      changed();
    },
    lastKnockedSlot: () => integer(lastKnocked.get()?.['slot'] ?? 0),
    gateKeysUsed() {
      return new Map(
        gateKeys.all().map((row) => [toHex(bytes(row['device'])) as DeviceId, toHex(bytes(row['gate_key']))] as const),
      );
    },
    forget(id) {
      announced = undefined;
      owed.delete(id);
      cache.delete(id);
      forget.run(fromHex(id));
    },
    addInvite(it) {
      addInvite.run(fromHex(it.id), it.user, it.publicKey, it.gateKey, it.created, it.expires);
    },
    inviteOf(id) {
      const found = invite.get(fromHex(id));
      return found === undefined ? undefined : readInvite(found);
    },
    invites: () => invites.all().map(readInvite),
    useInvite(id, publicKey) {
      useInvite.run(publicKey, fromHex(id));
    },
    removeInvites({ user, expiredBefore }) {
      let removed = 0;
      if (user !== undefined) removed += Number(removeUser.run(user).changes);
      if (expiredBefore !== undefined) removed += Number(removeExpired.run(expiredBefore).changes);
      return removed;
    },
    putGrant(it) {
      putGrant.run(
        it.id,
        it.request,
        it.device,
        it.service ?? '',
        it.family,
        it.address,
        it.prefix,
        it.endpoints,
        it.created,
        it.ends,
        it.slot ?? null,
      );
      changed();
    },
    dropGrant(id) {
      dropGrant.run(id);
      changed();
    },
    grants() {
      return grants.all().map((row) => ({
        id: text(row['id']),
        request: text(row['request']) as RequestId,
        device: text(row['device']) as Holder,
        service: row['service'] === '' ? undefined : (text(row['service']) as ServiceName),
        family: integer(row['family']) === 4 ? 4 : 6,
        address: bytes(row['address']),
        prefix: integer(row['prefix']),
        endpoints: text(row['endpoints']),
        created: integer(row['created']) as UnixMicros,
        ends: integer(row['ends']) as UnixMicros,
        slot: row['slot'] === null ? undefined : integer(row['slot']),
      }));
    },
    setMeta(key, value) {
      setMeta.run(key, value);
    },
    meta(key) {
      const found = meta.get(key)?.['value'];
      return found === undefined ? undefined : bytes(found);
    },
    [Symbol.dispose]() {
      open = false;
      clearTimeout(resting);
      mirror[Symbol.dispose]();
      relaxed.close();
      database.close();
    },
  };
}

/** Removes the state database; for tests and for the story of a gate that lost its state. */
export function removeStore(directory: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(join(directory, `state.db${suffix}`), { force: true });
}
