/** Takes what acts below the permission layer out of the environment, before anything connects. */

/** Deno's fetch obeys the first six, whatever a permission says; the others weaken TLS, or write its keys to a file. */
export const UNDERMINING = [
  "HTTP_PROXY",
  "http_proxy",
  "HTTPS_PROXY",
  "https_proxy",
  "ALL_PROXY",
  "all_proxy",
  "NODE_TLS_REJECT_UNAUTHORIZED",
  "SSLKEYLOGFILE",
] as const;

/** The variable that names Deno's stores of CAs; read once, at the first TLS connection. */
export const CA_STORE = "DENO_TLS_CA_STORE";

/** Removes them. Where the environment is out of reach altogether, they go on standing there. */
export function cleanEnvironment(): void {
  for (const variable of UNDERMINING) {
    if (Deno.permissions.querySync({ name: "env", variable }).state === "granted") Deno.env.delete(variable);
  }
}

/** Adds the operating system's CAs to Mozilla's. */
export function trustSystem(): void {
  Deno.env.set(CA_STORE, "mozilla,system");
}
