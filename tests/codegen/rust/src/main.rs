//! Runs the operations and prints what came back; `GRAPHQL_URL` and `GRAPHQL_TOKEN` name the server.
#![deny(warnings)]

use std::env;
use std::error::Error;
use std::io::{BufRead, BufReader};

use graphql_client::{GraphQLQuery, Response};
use serde_json::json;

type DateTime = String;
#[allow(clippy::upper_case_acronyms)]
type JSON = serde_json::Value;
type Failure = Box<dyn Error>;

macro_rules! operations {
    ($($name:ident),*) => {$(
        #[derive(GraphQLQuery)]
        #[graphql(
            schema_path = "schema.graphql",
            query_path = "operations.graphql",
            response_derives = "Debug",
            skip_serializing_none
        )]
        struct $name;
    )*};
}
operations!(Agents, ConversationTree, SendMessage, StopRun, CreateAgent, RunEvents);

struct Server {
    url: String,
    token: String,
}

impl Server {
    fn request(&self, accept: &str) -> ureq::Request {
        ureq::post(&self.url)
            .set("accept", accept)
            .set("authorization", &format!("Bearer {}", self.token))
    }

    fn execute<Q: GraphQLQuery>(&self, variables: Q::Variables) -> Result<Q::ResponseData, Failure> {
        let body = Q::build_query(variables);
        let response: Response<Q::ResponseData> = self.request("application/json").send_json(&body)?.into_json()?;
        match (response.data, response.errors) {
            (Some(data), None) => Ok(data),
            (_, errors) => Err(format!("{errors:?}").into()),
        }
    }

    /// Read at most `limit` events behind a cursor; the connection ends with the reader.
    fn events(&self, run_id: &str, after: &str, limit: usize) -> Result<Vec<run_events::RunEventsRunEvents>, Failure> {
        let variables = run_events::Variables { run_id: run_id.into(), after: Some(after.into()) };
        let response = self.request("text/event-stream").send_json(RunEvents::build_query(variables))?;
        let mut events = Vec::new();
        for line in BufReader::new(response.into_reader()).lines() {
            let line = line?;
            let Some(text) = line.strip_prefix("data: ").filter(|text| !text.is_empty()) else { continue };
            let answer: Response<run_events::ResponseData> = serde_json::from_str(text)?;
            events.push(answer.data.ok_or("an event without data")?.run_events);
            if events.len() == limit {
                break;
            }
        }
        Ok(events)
    }
}

fn main() -> Result<(), Failure> {
    let server = Server { url: env::var("GRAPHQL_URL")?, token: env::var("GRAPHQL_TOKEN")? };
    let name = env::var("AGENT_NAME")?;

    let agents = server.execute::<Agents>(agents::Variables { first: 5 })?.agents.ok_or("no agents")?;
    let refused = create_agent(&server, "")?;
    let create_agent::CreateAgentCreateAgent::ValidationError(refusal) = refused else {
        return Err(format!("an agent without a name: {refused:?}").into());
    };
    let created = create_agent(&server, &name)?;
    let create_agent::CreateAgentCreateAgent::CreateAgentPayload(created) = created else {
        return Err(format!("no agent: {created:?}").into());
    };
    let input = send_message::SendMessageInput {
        agent_id: Some(created.agent.id.clone()),
        attachments: None,
        client_id: None,
        conversation_id: None,
        on_busy: None,
        parent_id: None,
        parts: None,
        text: Some("What can you do?".into()),
        time_zone: None,
    };
    let sent = server.execute::<SendMessage>(send_message::Variables { input })?.send_message;
    let Some(send_message::SendMessageSendMessage::SendMessagePayload(sent)) = sent else {
        return Err(format!("not sent: {sent:?}").into());
    };
    let first = server.events(&sent.run.id, &sent.cursor, 3)?;
    let cursor = &first.last().ok_or("no event")?.cursor;
    let rest = server.events(&sent.run.id, cursor, usize::MAX)?;
    let Some(run_events::RunEventsRunEventsOn::RunFinished(finished)) = rest.last().map(|event| &event.on) else {
        return Err(format!("the last event is {:?}", rest.last()).into());
    };
    let tree = server.execute::<ConversationTree>(conversation_tree::Variables { id: sent.conversation.id })?;
    let input = stop_run::StopRunInput { run_id: sent.run.id };
    let stopped = server.execute::<StopRun>(stop_run::Variables { input })?.stop_run;
    let Some(stop_run::StopRunStopRun::StopRunPayload(stopped)) = stopped else {
        return Err(format!("not stopped: {stopped:?}").into());
    };
    println!("{}", json!({
        "agents": agents.nodes.len(),
        "refusal": format!("{:?}", refusal.code),
        "kind": format!("{:?}", created.agent.kind),
        "messages": tree.conversation.ok_or("no conversation")?.messages.nodes.len(),
        "first": first.iter().map(|event| event.seq).collect::<Vec<_>>(),
        "rest": rest.iter().map(|event| event.seq).collect::<Vec<_>>(),
        "status": format!("{:?}", finished.status),
        "stopped": format!("{:?}", stopped.run.status),
    }));
    Ok(())
}

fn create_agent(server: &Server, name: &str) -> Result<create_agent::CreateAgentCreateAgent, Failure> {
    let input = create_agent::CreateAgentInput {
        description: None,
        greeting: None,
        instructions: None,
        kind: None,
        knowledge_base_ids: None,
        max_steps: None,
        model_id: None,
        name: name.into(),
        route_id: None,
        starters: None,
        tool_names: None,
    };
    let data = server.execute::<CreateAgent>(create_agent::Variables { input })?;
    data.create_agent.ok_or_else(|| "no result".into())
}
