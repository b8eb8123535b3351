// The types of the contract, as `componentize-qjs` gives and takes them. Written from `wit/v0.1.0/step.wit`:
// WRITE_LANGUAGES=1 cargo test -p e2e --test language_types

/** Whose fault a failure is, which decides what is said and what is done about it. */
export type FailureKind =
  /** What was looked at is not as it must be: the check worked and its answer is no. */
  | "check-failed"
  /** The step's configuration, or a file of the project, is wrong. Trying again does not help. */
  | "misconfigured"
  /** Something that is needed did not answer or is not there. Trying again may help. */
  | "unavailable"
  /** A capability was not granted. The host makes these; a plugin passes them on. */
  | "denied"
  /** The plugin broke a promise of its own. */
  | "bug";

/** Why something could not be done. Texts are lower case without a final full stop, values in backticks. */
export interface Failure {
  /** Whose fault it is. */
  kind: FailureKind;
  /** A stable word for programs, in kebab case, for example `checksum-mismatch`. */
  code: string;
  /** What could not be done, and to what. */
  message: string;
  /** The immediate reasons, nearest first, others' words verbatim. */
  causes: string[];
  /** One edit or one command that helps. */
  hint: string | null;
  /** What did and did not change, where the plugin knows better than the host. */
  note: string | null;
}

/** When a capability may be used. `probe` counts as `plan`: it looks and does not touch. */
export interface Phases {
  /** While the plan is made and while a cut-off step is probed. Nothing may change. */
  plan: boolean;
  /** While the step does its work. */
  apply: boolean;
  /** While the step's work is taken back, and while a step that only checks looks once more after that. */
  revert: boolean;
}

/** Whether a thing may be changed. */
export type Access =
  /** Look only. */
  | "read"
  /** Look and change. During `plan` the host narrows it to `read`. */
  | "write";

/** TCP ports. */
export type Ports =
  /** Any port. */
  | { tag: "any" }
  /** These, and none where there are none. */
  | { tag: "these"; val: number[] };

/** Run one program. */
export interface Exec {
  /** A name that is looked up on the search path, or a path relative to the project (it contains a slash). */
  program: string;
  /** One pattern per argument: a literal, or `*` for any one argument; a last `**` stands for any number more. */
  arguments: string[];
  /** The working directory, relative to the project; `.` is the project. */
  directory: string;
  /** Variables that the child gets from the job's environment when they are set there, and that the plugin may set. */
  variables: string[];
  /** Toolchains whose homes and caches the child needs, by name, for example `cargo`, `npm`, `pip`. */
  toolchains: string[];
  /** Whether what the program leaves running may stay. Otherwise it is ended with the program. */
  background: boolean;
  /**
   * Trees that the program may change: relative to the project, or absolute, and `/` for everything. What the step may
   * change itself, a directory for temporary files, and the caches of its toolchains come besides.
   */
  writes: string[];
  /** The TCP ports that it may connect to, wherever they are. */
  connects: Ports;
}

/** Send HTTP requests to one host. */
export interface Http {
  /** `https` or `http`. */
  scheme: string;
  /** The exact host name or address. */
  host: string;
  /** The port. */
  port: number;
  /** Methods in upper case. During `plan` only `GET` and `HEAD` of these. */
  methods: string[];
  /** The path must be this, or begin with this where it ends in `/`. */
  path: string;
  /** Which addresses the host may resolve to: `public`, `private`, `loopback` or a CIDR. None means `public`. */
  addresses: string[];
}

/** Learn whether a TCP port accepts connections. The host connects; nothing is sent. */
export interface TcpProbe {
  /** The exact host name or address. */
  host: string;
  /** The port. */
  port: number;
  /** As in `http`. */
  addresses: string[];
}

/** See one directory tree. Granted trees never overlap. */
export interface Directory {
  /** Relative to the project; `.` is the project. The plugin sees it under the same relative path. */
  path: string;
  /** Whether it may be changed. */
  access: Access;
}

/** Use one database. */
export interface Database {
  /**
   * The connection's name. Where `url` is none, also the name of the secret that holds the URL, which has to be
   * granted as a `secret` with the use `database`.
   */
  name: string;
  /** A URL without a password: `sqlite:PATH`, `postgres://…` or `mysql://…`. */
  url: string | null;
  /** Whether it may be changed. */
  access: Access;
}

/** A secret as a whole URL, for example an incoming webhook. */
export interface SecretUrl {
  /** Methods in upper case. */
  methods: string[];
  /** As in `http`. */
  addresses: string[];
}

/** A secret as an environment variable of a child process. */
export interface SecretVariable {
  /** The variable's name. */
  variable: string;
  /** The one program that gets it, as the grant of `exec` names it; none for each that is granted. */
  program: string | null;
}

/** The one thing that a secret is granted for. The value itself never reaches the plugin. */
export type SecretUse =
  /** In a header of a request to this origin, for example `https://slack.com`. */
  | { tag: "header"; val: string }
  /** As the URL of a request. */
  | { tag: "url"; val: SecretUrl }
  /** As the URL of the database connection of the same name. */
  | { tag: "database" }
  /** As this environment variable of a child process. */
  | { tag: "child-variable"; val: SecretVariable };

/** Use one secret for one thing. */
export interface Secret {
  /** The secret's name. */
  name: string;
  /** What for. */
  usage: SecretUse;
}

/** What is asked for. */
export type Grant =
  /** Run a program. */
  | { tag: "exec"; val: Exec }
  /** Send HTTP requests. */
  | { tag: "http"; val: Http }
  /** Probe a TCP port. */
  | { tag: "tcp-probe"; val: TcpProbe }
  /** See a directory. */
  | { tag: "directory"; val: Directory }
  /** Read an environment variable, by name. */
  | { tag: "environment"; val: string }
  /** Use a database. */
  | { tag: "database"; val: Database }
  /** Use a secret. */
  | { tag: "secret"; val: Secret };

/** One thing that a plugin asks for, and when. */
export interface Capability {
  /** What is asked for. */
  grant: Grant;
  /** When it is needed. */
  phases: Phases;
}

/** What an intent does to the world. */
export type Effect =
  /** Looks only. A step that only reads is run and changes nothing. */
  | "reads"
  /**
   * Looks at what is live, and fails where that is not as it must be. Changes nothing. Run once more after what a run
   * did has been taken back.
   */
  | "checks"
  /** Changes something, and can take it back. */
  | "changes"
  /** Changes something that cannot be taken back. */
  | "irreversible"
  /** Could not be found out. A plan with one of these is incomplete. */
  | "unknown";

/** One thing that a step means to do. */
export interface Intent {
  /** Stable and exact: what approval binds to, for example `0007@sha256:41ab07…`. No times, no durations. */
  id: string;
  /** One line for a person. */
  summary: string;
  /** More for a person, for example the statements of a migration. */
  detail: string | null;
  /** What it does to the world. */
  effect: Effect;
}

/** How much a finding matters. */
export type Severity =
  /** Good to know. */
  | "notice"
  /** Worth a look. */
  | "warning"
  /** Wrong. */
  | "error";

/** Something that was seen, with its place where it has one. */
export interface Finding {
  /** How much it matters. */
  severity: Severity;
  /** A stable word for programs, in kebab case. */
  code: string;
  /** What was seen. */
  message: string;
  /** The file, relative to the project. */
  file: string | null;
  /** The line, counted from 1. */
  line: number | null;
}

/** What came of a step. */
export interface Outcome {
  /** One line for a person, for example `applied 3 migrations`. */
  summary: string;
  /** Values for later steps, by name. None may contain a secret. */
  outputs: [string, string][];
  /** What was seen on the way. */
  findings: Finding[];
}

/** What a plugin found out about an `apply` that was cut off. */
export type Verdict =
  /** It was done, wholly. */
  | "done"
  /** Some of it was done, and an `apply` does the rest and nothing twice. */
  | "partly"
  /** It was not done, not even in part. */
  | "not-done"
  /** The plugin cannot tell. */
  | "unknown";

/** Who the plugin is. */
export interface Description {
  /** Its name, in kebab case. */
  name: string;
  /** Its version, as semver. */
  version: string;
  /** What it does, in one line. */
  summary: string;
  /** The JSON Schema of its configuration. The host checks `config` against it before it calls anything else. */
  configSchema: string;
}

/** The release that is live now, of this app, environment and component. */
export interface Live {
  /** The run that made it live. */
  run: string;
  /** Its commit, in full. */
  commit: string;
  /** Its version. */
  version: string;
  /** When that run ended, as RFC 3339 in UTC. */
  at: string;
}

/** How a step of this run came out. */
export type StepOutcome =
  /** It did its work. */
  | "succeeded"
  /** It did not. */
  | "failed"
  /** It had nothing to do. */
  | "skipped"
  /** Its work was taken back. */
  | "reverted"
  /** Its work could not be taken back. */
  | "revert-failed"
  /** It was cut short by a cancellation. */
  | "cancelled"
  /** Nobody knows. */
  | "unknown"
  /** Its turn has not come, or never will. */
  | "not-run";

/** A step of this run. */
export interface Step {
  /** Its id. */
  id: string;
  /** Its plugin's name. */
  plugin: string;
  /** How it came out so far. */
  outcome: StepOutcome;
}

/** Where the run as a whole stands. */
export type Status =
  /** Steps are being planned or run. */
  | "running"
  /** All steps succeeded. Seen by `finally` steps. */
  | "succeeded"
  /** A step failed and nothing was taken back. Seen by `finally` steps. */
  | "failed"
  /** A step failed and everything was taken back. Seen by `finally` steps, and `running` reverts see `running`. */
  | "rolled-back"
  /** A step failed and something could not be taken back. Seen by `finally` steps. */
  | "rollback-failed"
  /** The run was cancelled. Seen by `finally` steps. */
  | "cancelled";

/** The deployment. */
export interface Context {
  /** The app's name. */
  app: string;
  /** The environment's name. */
  environment: string;
  /** The component, where one is deployed by itself. */
  component: string | null;
  /** The environment's URL. */
  url: string | null;
  /** The commit, in full. */
  commit: string;
  /** The branch or tag. */
  reference: string | null;
  /** Who started it. */
  actor: string | null;
  /** The version that is being released. */
  version: string;
  /** The run's id; empty while a plan is made without one. */
  run: string;
  /** This step's attempt, from 1. */
  attempt: number;
  /** Where a person can watch the run. */
  logUrl: string | null;
  /** What is live now. */
  live: Live | null;
  /** Where the run stands. */
  status: Status;
  /** Why it failed, in one line, where it did. */
  problem: string | null;
  /** The steps in order, without this one's `finally` siblings. */
  steps: Step[];
}

/** How much a line matters. */
export type Level =
  /** For the plugin's author. */
  | "debug"
  /** For whoever watches. */
  | "info"
  /** Worth a look. */
  | "warn"
  /** Wrong. */
  | "error";

/** Where a child's output goes. */
export type Output =
  /** Into the step's log, as it comes. */
  | "stream"
  /** Into the result, up to the host's limit. */
  | "capture";

/** What to run. No shell is involved. */
export interface Command {
  /** As granted. */
  program: string;
  /** The arguments. */
  arguments: string[];
  /** As granted; `.` is the project. */
  directory: string;
  /** Variables to set; each name has to be granted. */
  variables: [string, string][];
  /** What the child reads on its standard input; nothing otherwise. */
  input: Uint8Array | null;
  /** Where its output goes. */
  output: Output;
  /** End it after this many milliseconds; the step's own timeout holds in any case. */
  timeoutMilliseconds: number | null;
}

/** How a child ended. */
export interface Completion {
  /** Its exit code; none where a signal ended it. */
  code: number | null;
  /** The signal that ended it. */
  signal: number | null;
  /** Whether its own timeout ended it. */
  timedOut: boolean;
  /** What it wrote to standard output, where captured. */
  stdout: Uint8Array;
  /** What it wrote to standard error, where captured. */
  stderr: Uint8Array;
  /** Whether the limit cut either. */
  truncated: boolean;
  /** The last lines it wrote to either, redacted, for a message. */
  tail: string;
}

/** What kind of database it is. */
export type Engine =
  /** SQLite. */
  | "sqlite"
  /** PostgreSQL. */
  | "postgresql"
  /** MySQL. */
  | "mysql"
  /** MariaDB. */
  | "mariadb";

/** A value in a row or a parameter. */
export type Value =
  /** SQL's NULL. */
  | { tag: "null" }
  /** True or false. */
  | { tag: "boolean"; val: boolean }
  /** A whole number. */
  | { tag: "integer"; val: number }
  /** A number. */
  | { tag: "real"; val: number }
  /** Text; also times, decimals and UUIDs, as the database writes them. */
  | { tag: "text"; val: string }
  /** Bytes. */
  | { tag: "bytes"; val: Uint8Array };

/** The answer to a query. */
export interface Rows {
  /** The columns' names. */
  columns: string[];
  /** The rows. */
  rows: Value[][];
}
