/** Where Node keeps what in a file that `node --build-snapshot` made (src/node_snapshotable.cc of Node 24). */

const COUNT_MAX = 1_000;
const NAME_MAX = 100;

/** Little-endian u64 as it is in the file; undefined where none stands, or one that no size could have. */
function sizeAt(blob: Buffer, offset: number): number | undefined {
  if (offset + 8 > blob.length || blob.readUInt32LE(offset + 4) !== 0) return undefined;
  return blob.readUInt32LE(offset);
}

/** Where a list of `count` entries, each `size ‖ name ‖ size ‖ code`, ends. */
function endOfList(blob: Buffer, start: number, count: number): number | undefined {
  let offset = start;
  for (let i = 0; i < count; i++) {
    const name = sizeAt(blob, offset);
    if (name === undefined || name === 0 || name > NAME_MAX) return undefined;
    const code = sizeAt(blob, offset + 8 + name);
    if (code === undefined) return undefined;
    offset += 16 + name + code;
  }
  return offset;
}

/** Where the count of its entries stands, a u64; it ends with the file. */
function findCodeCache(blob: Buffer): number | undefined {
  // It begins behind the heap, whose size is not worth knowing: no other place fits the end of the file to the byte.
  for (let offset = 0; offset + 8 < blob.length; offset++) {
    const count = sizeAt(blob, offset);
    if (count === undefined || count === 0 || count > COUNT_MAX) continue;
    if (endOfList(blob, offset + 8, count) === blob.length) return offset;
  }
  return undefined;
}

/**
 * A snapshot without the code for Node's own modules that it carries, half of the file, which would be read and copied at every start:
 * those that it has loaded keep theirs, others can still be loaded and are compiled then. As it is, where no list of code is found.
 */
export function withoutCodeCache(blob: Buffer): Buffer {
  const found = findCodeCache(blob);
  if (found === undefined) return blob;
  return Buffer.concat([blob.subarray(0, found), Buffer.alloc(8)]);
}
