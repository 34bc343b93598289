import type { DatabaseSync } from 'node:sqlite';

/** Packets of one credential that are remembered: more than its rate lets in while one lives. */
export const MOST_PACKETS = 4096;

/** Came later, so that a database without it gets it. */
export const FWKNOP_TABLES = `
CREATE TABLE IF NOT EXISTS fwknop (credential BLOB, time INTEGER, packet BLOB, PRIMARY KEY (credential, time, packet)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fwknop_floor (credential BLOB PRIMARY KEY, time INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`;

/** The durable record of packets of fwknop's format. Each is named by its credential, its time and what was in it. */
export interface FwknopRecords {
  /** Whether it was recorded. */
  readonly has: (credential: Uint8Array, time: number, packet: Uint8Array) => boolean;
  /** The durable record: on return it survives power loss. The oldest of the credential makes room, and raises its floor. Throws when it could not be written. */
  readonly add: (credential: Uint8Array, time: number, packet: Uint8Array) => void;
  /** No packet of that time or before is known to be new; 0 when all are. Unix seconds. */
  readonly floor: (credential: Uint8Array) => number;
  /** Raises the floor. Durable. */
  readonly setFloor: (credential: Uint8Array, time: number) => void;
}

/**
 * @param database - with `synchronous = FULL`
 * @param changed - told after each change
 */
export function fwknopRecords(database: DatabaseSync, changed: () => void): FwknopRecords {
  const find = database.prepare('SELECT 1 FROM fwknop WHERE credential = ? AND time = ? AND packet = ?');
  const insert = database.prepare('INSERT INTO fwknop VALUES (?, ?, ?)');
  const count = database.prepare('SELECT count(*) AS packets FROM fwknop WHERE credential = ?');
  const oldest = database.prepare('SELECT time, packet FROM fwknop WHERE credential = ? ORDER BY time, packet LIMIT 1');
  const remove = database.prepare('DELETE FROM fwknop WHERE credential = ? AND time = ? AND packet = ?');
  const floor = database.prepare('SELECT time FROM fwknop_floor WHERE credential = ?');
  const setFloor = database.prepare(
    'INSERT INTO fwknop_floor VALUES (?, ?) ON CONFLICT DO UPDATE SET time = max(time, excluded.time)',
  );
  const counts = new Map<string, number>();
  const countOf = (credential: Uint8Array, name: string): number =>
    counts.get(name) ?? Number(count.get(credential)?.['packets'] ?? 0);

  return {
    has: (credential, time, packet) => find.get(credential, time, packet) !== undefined,
    add(credential, time, packet) {
      const name = Buffer.from(credential).toString('latin1');
      const before = countOf(credential, name);
      if (before < MOST_PACKETS) {
        insert.run(credential, time, packet);
        counts.set(name, before + 1);
      } else {
        database.exec('BEGIN IMMEDIATE');
        try {
          // Looked for first: what was recorded last is what says that no record was lost.
          const first = oldest.get(credential);
          insert.run(credential, time, packet);
          const [at, bytes] = [first?.['time'], first?.['packet']];
          if (typeof at === 'number' && bytes instanceof Uint8Array) {
            remove.run(credential, at, bytes);
            setFloor.run(credential, at);
          }
          database.exec('COMMIT');
        } catch (error) {
          // On a full disk SQLite has done so by itself.
          if (database.isTransaction) database.exec('ROLLBACK');
          throw error;
        }
      }
      changed();
    },
    floor: (credential) => Number(floor.get(credential)?.['time'] ?? 0),
    setFloor(credential, time) {
      setFloor.run(credential, time);
      changed();
    },
  };
}
