/** The client of Postern as a library: join a gate, knock on it, and learn what became of it. */
export { askHost, type AskOptions } from './ask-host.ts';
export { HostBook } from './book.ts';
export { dgramTransport, realSurroundings } from './dgram-transport.ts';
export { exchange, type ExchangeOptions, type Hearing } from './exchange.ts';
export {
  type Enrolment,
  type GateKeys,
  type Host,
  hostName,
  type Memory,
  NETWORKS_MAX,
  type RoundTrip,
  type SeenAddress,
} from './host.ts';
export { decodeHost, encodeHost, HOST_FORMAT, HostFileError } from './host-file.ts';
export { enrol, type Joined, prepareHost, readInvite } from './join.ts';
export { answersOf, type Attempt, knock, type KnockOptions, type KnockResult, type Reach } from './knock.ts';
export { learnFrom } from './lesson.ts';
export { configDirectory } from './platform.ts';
export { program } from './program.ts';
export type { Answer, Outcome, Progress } from './outcome.ts';
export { type AttemptReport, type KnockReport, reportOf } from './report.ts';
export {
  type Ask,
  deviceParty,
  type Keeper,
  newRequestId,
  type Party,
  partyOf,
  sealTicket,
  type SourceChoice,
  takeTickets,
  type Ticket,
} from './request.ts';
export { type Lookup, resolveAddresses, type Resolved, systemLookup } from './resolve.ts';
export { type Path, PathError, type PathEvents, type Surroundings, type Transport } from './transport.ts';
