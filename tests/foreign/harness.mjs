// What the test hands over, and how a script answers: one JSON value on standard output.
export const given = JSON.parse(process.env.GIVEN);
export const { url, token, run } = given;
export const socketUrl = url?.replace(/^http/, "ws");
export const headers = { authorization: `Bearer ${token}` };

export const answer = (observed) => process.stdout.write(JSON.stringify(observed));

export const VIEWER = "query Viewer { viewer { user { displayName } } }";
export const NO_SUCH_FIELD = "query Wrong { nothingOfThisName }";
export const BAD_CURSOR = 'query BadCursor { agents(after: "garbage") { totalCount } }';
export const RUN_EVENTS = `
  subscription RunEvents($runId: ID!, $after: String) {
    runEvents(runId: $runId, after: $after) {
      __typename seq cursor
      ... on TextDelta { text }
      ... on RunFinished { status }
    }
  }
`;

/** The events of a run in short, so that two ways to get them can be compared. */
export const short = ({ __typename, seq }) => `${seq} ${__typename}`;
