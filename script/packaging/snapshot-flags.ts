/**
 * Flags of Node for a start from the snapshot. Names keep the hashes that they have in it: every installation has its own seed, and a new one
 * for every start would cost a sixth of it. A knock is over before a compiler or a second thread for garbage could be of use.
 */
export const SNAPSHOT_FLAGS: readonly string[] = [
  '--no-rehash-snapshot',
  '--max-opt=0',
  '--single-threaded-gc',
  '--v8-pool-size=1',
];
