/** How a simulated request or task fails, in PVE's own terms. */

/** Ends a request with a status that is not 200. */
export class Failure extends Error {
  override readonly name = "Failure";
  constructor(
    readonly status: number,
    /** The reason phrase, without a trailing newline. */
    readonly reason: string,
    readonly body:
      | { readonly form: "empty" }
      | { readonly form: "json"; readonly newline: boolean; readonly errors?: Readonly<Record<string, string>> },
  ) {
    super(reason);
  }
}

/** What PVE's code says by `die`: a 500 inside a request, the exit status inside a task. */
export function die(message: string): never {
  throw new Failure(500, message, { form: "json", newline: true });
}

/** 400 with complaints by parameter. */
export function invalid(errors: Readonly<Record<string, string>>): never {
  throw new Failure(400, "Parameter verification failed.", { form: "json", newline: true, errors });
}

/** 403; some checks in PVE's code name no path (captured 118). */
export function forbidden(what?: string): never {
  const reason = what === undefined ? "Permission check failed" : `Permission check failed (${what})`;
  throw new Failure(403, reason, { form: "json", newline: true });
}

/** 501 and its like without a body. */
export function bare(status: number, reason: string): never {
  throw new Failure(status, reason, { form: "empty" });
}
