// The one way out of the page: requests to this server's /v1 with the token
// as a header.  The token lives in this module's memory; sessionStorage has
// it only when the operator asked to have it remembered.

const KEY = 'larder-admin-token';
let token = null;

export class ApiError extends Error {
  constructor(status, text, reason, doc) {
    super(text || reason || `status ${status}`);
    this.status = status;
    this.reason = reason;
    this.doc = doc; // what came as JSON, or null
  }
}

export function tokenRecall() {
  token = sessionStorage.getItem(KEY);
  return token !== null;
}

export function tokenSet(value, keep) {
  token = value;
  if (keep) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}

export function tokenForget() {
  token = null;
  sessionStorage.removeItem(KEY);
}

async function ask(method, path, body, etag) {
  const headers = {};
  // Without one a client certificate may do (listen[].tls.admins).
  if (token !== null) headers['admin-token'] = token;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (etag) headers['If-Match'] = etag;
  let answer;
  try {
    answer = await fetch(path, { method, headers, cache: 'no-store',
      credentials: 'omit', redirect: 'error',
      body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new ApiError(0, 'The server does not answer.', 'no-answer', null);
  }
  const text = await answer.text();
  let doc = null;
  if (text.startsWith('{') || text.startsWith('[')) {
    try { doc = JSON.parse(text); } catch { doc = null; }
  }
  const reason = answer.headers.get('Larder-Reason');
  if (!answer.ok) {
    throw new ApiError(answer.status, doc === null ? text : '', reason, doc);
  }
  return { doc, etag: answer.headers.get('ETag') };
}

export const get = async (path) => (await ask('GET', path)).doc;
export const getTagged = (path) => ask('GET', path);
export const post = (path, body, etag) => ask('POST', path, body, etag);
