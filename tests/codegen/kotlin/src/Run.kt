import com.apollographql.apollo.ApolloClient
import com.apollographql.apollo.api.Optional
import com.apollographql.apollo.network.ws.GraphQLWsProtocol
import com.apollographql.apollo.network.ws.WebSocketNetworkTransport
import kotlin.system.exitProcess
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import matrix.AgentsQuery
import matrix.ConversationTreeQuery
import matrix.CreateAgentMutation
import matrix.RunEventsSubscription
import matrix.SendMessageMutation
import matrix.StopRunMutation
import matrix.type.CreateAgentInput
import matrix.type.SendMessageInput
import matrix.type.StopRunInput

private val URL: String = System.getenv("GRAPHQL_URL")
private val AUTHORIZATION = "Bearer " + System.getenv("GRAPHQL_TOKEN")

/** Returns a client with a WebSocket of its own. */
private fun client(): ApolloClient =
  ApolloClient.Builder()
    .serverUrl(URL)
    .addHttpHeader("Authorization", AUTHORIZATION)
    .subscriptionNetworkTransport(
      WebSocketNetworkTransport.Builder()
        .serverUrl(URL)
        .protocol(GraphQLWsProtocol.Factory(connectionPayload = { mapOf("Authorization" to AUTHORIZATION) }))
        .build()
    )
    .build()

/** Reads at most `limit` events behind a cursor, on a connection of its own. */
private suspend fun events(runId: String, after: String, limit: Int): List<RunEventsSubscription.RunEvents> =
  client().use { client ->
    val subscription = RunEventsSubscription(runId, Optional.present(after))
    client.subscription(subscription).toFlow().map { it.dataOrThrow().runEvents }.take(limit).toList()
  }

private suspend fun createAgent(client: ApolloClient, name: String): CreateAgentMutation.CreateAgent =
  client.mutation(CreateAgentMutation(CreateAgentInput(name = name))).execute().dataOrThrow().createAgent!!

/** Runs the operations with Apollo Kotlin and prints what came back. */
fun main(): Unit = runBlocking {
  val client = client()
  val agents = client.query(AgentsQuery(5)).execute().dataOrThrow().agents!!.nodes
  val refusal = createAgent(client, "").onValidationError!!
  val created = createAgent(client, System.getenv("AGENT_NAME")).onCreateAgentPayload!!.agent
  val message =
    SendMessageInput(agentId = Optional.present(created.id), text = Optional.present("What can you do?"))
  val sent = client.mutation(SendMessageMutation(message)).execute().dataOrThrow().sendMessage!!.onSendMessagePayload!!
  val first = events(sent.run.id, sent.cursor, 3)
  val rest = events(sent.run.id, first.last().cursor, Int.MAX_VALUE)
  val tree = client.query(ConversationTreeQuery(sent.conversation.id)).execute().dataOrThrow().conversation!!
  val stopped = client.mutation(StopRunMutation(StopRunInput(sent.run.id))).execute().dataOrThrow().stopRun!!
  val report = buildJsonObject {
    put("agents", JsonPrimitive(agents.size))
    put("refusal", JsonPrimitive(refusal.code.rawValue))
    put("kind", JsonPrimitive(created.kind.rawValue))
    put("messages", JsonPrimitive(tree.messages.nodes.size))
    put("first", JsonArray(first.map { JsonPrimitive(it.seq) }))
    put("rest", JsonArray(rest.map { JsonPrimitive(it.seq) }))
    put("status", JsonPrimitive(rest.last().onRunFinished!!.status.rawValue))
    put("stopped", JsonPrimitive(stopped.onStopRunPayload!!.run.status.rawValue))
  }
  println(report)
  exitProcess(0)
}
