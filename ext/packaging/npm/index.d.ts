/** The path of the library, for `db.loadExtension()` on each connection. Throws where there is none for this platform. */
export function getLoadablePath(): string;
