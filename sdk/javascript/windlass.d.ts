// What `windlass.js` has, for editors and type checkers. The types of the contract are in `contract.d.ts`, which is written from it.

import type {
  Access,
  Capability,
  Context,
  FailureKind,
  Finding,
  Intent,
  StepOutcome,
  Verdict,
} from "./contract.js";

export type { Access, Capability, Context, FailureKind, Finding, Intent, StepOutcome, Verdict };

/** What a configuration is for a step that says no more of it. */
export type Config = Record<string, any>;

/** A phase that a capability is needed in. */
export type Phase = "plan" | "apply" | "revert";

/** When a capability is needed. */
export interface During {
  during: Phase[];
}

/** What came of a step: one line for a person, values for later steps, and what was seen. */
export type Result = string | { summary: string; outputs?: Record<string, string>; findings?: Seen[] };

/** A finding, whose place may be left out. */
export type Seen = Pick<Finding, "severity" | "code" | "message"> & Partial<Finding>;

/** A step. */
export interface Step<C = Config, R = any> {
  /** Who the plugin is; `config` is the JSON Schema of the step's `with`. */
  describe: { name: string; version: string; summary: string; config: object };
  /** What this configuration needs. It reaches nothing, and is also called with `${…}` left open. */
  requires(config: C): Capability[];
  /** What `apply` would do now. Nothing to do is an empty list, and then the step is skipped. */
  plan(config: C): Intent[];
  /** Do it. Append a record before each effect. */
  apply(config: C): Result;
  /** What became of an `apply` that was cut off after these records; without it nobody knows. */
  probe?(config: C, records: R[]): Verdict;
  /** Take back what the records say, newest first. Without it a step that left records cannot be taken back, which is a failure. */
  revert?(config: C, records: R[]): Result;
}

/** The interface that the component exports: `export const lifecycle = step({ … })`. */
export function step<C = Config, R = any>(step: Step<C, R>): object;

/** More of a failure: why, what helps, and what did and did not change. */
export interface More {
  causes?: unknown[];
  hint?: string | null;
  note?: string | null;
}

/** Why something could not be done. Throw it: the host tells a person of it. */
export class Failure extends Error {
  constructor(kind: FailureKind, code: string, message: string, more?: More);
  readonly kind: FailureKind;
  readonly code: string;
  readonly causes: unknown[];
  readonly hint: string | null;
  readonly note: string | null;
  /** What was looked at is not as it must be: the check worked, and its answer is no. */
  static checkFailed(code: string, message: string, more?: More): Failure;
  /** The configuration or a file of the project is wrong: trying again does not help. */
  static misconfigured(code: string, message: string, more?: More): Failure;
  /** Something needed did not answer or is not there: trying again may help. */
  static unavailable(code: string, message: string, more?: More): Failure;
  /** The plugin broke a promise of its own. */
  static bug(code: string, message: string, more?: More): Failure;
}

type MakeIntent = (id: string, summary: string, detail?: string) => Intent;

/** What `plan` returns a list of. */
export const intent: Record<"reads" | "checks" | "changes" | "irreversible" | "unknown", MakeIntent>;

/** What `requires` returns a list of. */
export const capability: {
  /** Run a program: a name on the search path, or a path relative to the project. */
  exec(
    program: string,
    options: During & {
      arguments?: string[];
      directory?: string;
      variables?: string[];
      toolchains?: string[];
      background?: boolean;
      writes?: string[];
      connects?: "any" | number[];
    },
  ): Capability;
  /** Send requests below a URL: the path is the URL's, and a prefix where it ends in `/`. */
  http(url: string, options: During & { methods?: string[]; path?: string; addresses?: string[] }): Capability;
  /** Learn whether a port accepts connections. */
  tcpProbe(host: string, port: number, options: During & { addresses?: string[] }): Capability;
  /** See a directory tree, relative to the project. */
  directory(path: string, options: During & { access?: Access }): Capability;
  /** Read a variable. */
  environment(name: string, options: During): Capability;
  /** Use a database, by a URL without a password, or by the secret of the same name where there is no `url`. */
  database(name: string, options: During & { url?: string; access?: Access }): Capability;
  /** Use a secret in a header of requests to the origin of this URL. */
  secretHeader(name: string, url: string, options: During): Capability;
  /** Use a secret as a whole URL. */
  secretUrl(name: string, options: During & { methods?: string[]; addresses?: string[] }): Capability;
  /** Use a secret as the URL of the database of the same name. */
  secretDatabase(name: string, options: During): Capability;
  /** Use a secret as this variable of one program, or of each that is granted. */
  secretVariable(name: string, variable: string, options: During & { program?: string }): Capability;
};

/** An answer, which is one whatever its status is. */
export interface Answer {
  status: number;
  /** Whether the status says so. */
  ok: boolean;
  /** Names in lower case. */
  headers: [string, string][];
  bytes: Uint8Array;
  /** Whether the body was longer than what is kept. */
  truncated: boolean;
  /** The first header of this name. */
  header(name: string): string | null;
  text(): string;
  json(): any;
}

export interface RequestOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  /** Sent as JSON, in place of `body`. */
  json?: unknown;
  /** In milliseconds: for connecting, and for each part of the answer. */
  timeout?: number;
  /** The most of the answer's body that is kept, in bytes. */
  keep?: number;
}

/** Requests. Redirects are answers, never followed: where one leads would need a grant of its own. */
export const http: {
  request(url: string, options?: RequestOptions): Answer;
  get(url: string, options?: RequestOptions): Answer;
  post(url: string, options?: RequestOptions): Answer;
};

/** Files of granted directories, by paths relative to the project. */
export const files: {
  read(path: string): string;
  bytes(path: string): Uint8Array;
  /** Writes a file, in place of what it held. */
  write(path: string, contents: string | Uint8Array): void;
  /** Whether it is there; `false` also where the granted directory that it would be in is not there itself. */
  exists(path: string): boolean;
  stat(path: string): { size: number; type: string };
  list(path: string): { name: string; type: string }[];
  createDirectory(path: string): void;
  remove(path: string): void;
};

/** How a program ended. */
export interface Completion {
  code: number | null;
  signal: number | null;
  timedOut: boolean;
  /** Whether it ended by itself with code 0. */
  succeeded: boolean;
  /** How it ended, for a message: `exit code 3`. */
  ending: string;
  stdout: string;
  stderr: string;
  stdoutBytes: Uint8Array;
  stderrBytes: Uint8Array;
  truncated: boolean;
  /** Its last lines, for a message. */
  tail: string;
}

/** Granted programs. */
export const process: {
  run(
    program: string,
    args?: string[],
    options?: {
      directory?: string;
      variables?: Record<string, string>;
      input?: string | Uint8Array;
      /** Its output goes into the step's log as it comes, and not into the result. */
      stream?: boolean;
      /** In milliseconds. */
      timeout?: number;
    },
  ): Completion;
};

export type Value = null | boolean | number | string | Uint8Array;

export interface Connection {
  engine(): "sqlite" | "postgresql" | "mysql" | "mariadb";
  version(): string;
  /** Runs one statement; the number of rows that it changed. */
  execute(sql: string, parameters?: Value[]): number;
  /** Runs one statement that returns rows, each an object by column. */
  query(sql: string, parameters?: Value[]): Record<string, Value>[];
  /** Runs statements as they stand in a file. */
  script(sql: string): void;
  close(): void;
}

/** Granted databases. During `plan` only `query` works. */
export const database: { open(name: string): Connection };

/** What a step leaves for its own `revert` and `probe`: on disk when `append` returns. */
export const record: { append(value: unknown): void };

/** What is being deployed, where, and what is there now. */
export const deployment: { current(): Context };

/** The values that earlier steps put out. */
export const outputs: { get(step: string, name: string): string | null };

/** The step's log. `console` writes there too. */
export const log: Record<"debug" | "info" | "warn" | "error", (message: unknown) => void>;

/** How far the step is. */
export const progress: { update(message: string, done?: number, total?: number): void };

/** What goes into the summary of the run. */
export const report: {
  annotate(finding: Seen): void;
  table(title: string, columns: string[], rows: unknown[][]): void;
  metric(name: string, value: number, unit: string): void;
};

/** Granted ports: how long a connection took, in microseconds. */
export const network: { probeTcp(host: string, port: number, timeoutMilliseconds: number): number };

/** Stand-ins for granted secrets: the host replaces each where it was granted for. */
export const secrets: {
  /** The stand-in, or none where the secret is not set. */
  placeholder(name: string): string | null;
  /** As `placeholder`, and a failure where the secret is not set. */
  need(name: string): string;
};

/** Values that outlive a call. */
export const state: { get(key: string): string | null; set(key: string, value: string | number | boolean): void };

/** Granted variables. */
export const environment: { get(name: string): string | null };

/** Waits so many milliseconds. */
export function sleep(milliseconds: number): void;

/** The UTF-8 of a text. */
export function bytesOf(value: string | Uint8Array): Uint8Array;

/** The text of some UTF-8. */
export function textOf(bytes: Uint8Array): string;
