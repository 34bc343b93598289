/**
 * Flags of Node for a start from the snapshot. Names keep the hashes that they have in it: every installation has a seed of its own, and a new
 * one at every start would cost a sixth of it. A knock is over before a compiler could be of use, and nobody debugs it with a signal.
 */
export const SNAPSHOT_FLAGS: readonly string[] = [
  '--no-rehash-snapshot',
  '--max-opt=0',
  '--v8-pool-size=1',
  '--disable-sigusr1',
];
