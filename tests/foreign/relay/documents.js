// What relay-compiler finds and compiles; nobody runs this file.
graphql`
  query documentsQuery($conversationId: ID!) {
    ...documents_tools
    conversation(id: $conversationId) {
      ...documents_messages
    }
  }
`;

graphql`
  fragment documents_tools on Query
  @argumentDefinitions(count: { type: "Int", defaultValue: 2 }, cursor: { type: "String" })
  @refetchable(queryName: "documentsToolsQuery") {
    tools(first: $count, after: $cursor) @connection(key: "documents_tools") {
      edges {
        node {
          name
        }
      }
    }
  }
`;

graphql`
  fragment documents_messages on Conversation
  @argumentDefinitions(count: { type: "Int", defaultValue: 1 }, cursor: { type: "String" })
  @refetchable(queryName: "documentsMessagesQuery") {
    messages(last: $count, before: $cursor) @connection(key: "documents_messages") {
      edges {
        node {
          role
        }
      }
    }
  }
`;

graphql`
  subscription documentsRunSubscription($runId: ID!) {
    runEvents(runId: $runId) {
      __typename
      seq
    }
  }
`;

graphql`
  query documentsDeferringQuery {
    viewer {
      role
      ...documents_user @defer(label: "user")
    }
  }
`;

graphql`
  fragment documents_user on Viewer {
    user {
      displayName
    }
  }
`;
