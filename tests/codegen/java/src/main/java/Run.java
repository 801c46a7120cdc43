import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.datatype.jsr310.JavaTimeModule;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import matrix.types.*;

/** Runs the operations with the types of DGS codegen and Java's own HTTP client, and prints what came back. */
public final class Run {
  private static final ObjectMapper JSON =
      new ObjectMapper()
          .registerModule(new JavaTimeModule())
          .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES);
  private static final HttpClient HTTP = HttpClient.newHttpClient();

  private final String documents;

  private Run(String documents) {
    this.documents = documents;
  }

  private HttpRequest request(String name, Object variables, String accept) throws Exception {
    var parts = documents.split("(?m)^(?=query |mutation |subscription )");
    var named = Pattern.compile("^\\w+ " + name + "\\(");
    var document = java.util.Arrays.stream(parts).filter(p -> named.matcher(p).find()).findFirst().orElseThrow();
    var body = JSON.writeValueAsString(Map.of("query", document, "variables", variables));
    return HttpRequest.newBuilder(URI.create(System.getenv("GRAPHQL_URL")))
        .header("Authorization", "Bearer " + System.getenv("GRAPHQL_TOKEN"))
        .header("Content-Type", "application/json")
        .header("Accept", accept)
        .POST(HttpRequest.BodyPublishers.ofString(body))
        .build();
  }

  private <T> T execute(String name, Object variables, String field, Class<T> type) throws Exception {
    var answer = HTTP.send(request(name, variables, "application/json"), HttpResponse.BodyHandlers.ofString());
    JsonNode body = JSON.readTree(answer.body());
    if (body.has("errors")) throw new IllegalStateException(answer.body());
    return JSON.treeToValue(body.get("data").get(field), type);
  }

  /** Reads at most `limit` events behind a cursor, on a response of its own. */
  private List<RunEvent> events(String runId, String after, int limit) throws Exception {
    var request = request("RunEvents", Map.of("runId", runId, "after", after), "text/event-stream");
    var events = new ArrayList<RunEvent>();
    var answer = HTTP.send(request, HttpResponse.BodyHandlers.ofInputStream());
    try (var reader = new BufferedReader(new InputStreamReader(answer.body(), "UTF-8"))) {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        if (!line.startsWith("data: {")) continue;
        var event = JSON.readTree(line.substring(6)).get("data").get("runEvents");
        events.add(JSON.treeToValue(event, RunEvent.class));
        if (events.size() == limit) break;
      }
    }
    return events;
  }

  private CreateAgentResult createAgent(String name) throws Exception {
    var input = CreateAgentInput.newBuilder().name(name).build();
    return execute("CreateAgent", Map.of("input", input), "createAgent", CreateAgentResult.class);
  }

  private Map<String, Object> report() throws Exception {
    var agents = execute("Agents", Map.of("first", 5), "agents", AgentConnection.class);
    var refusal = (ValidationError) createAgent("");
    var created = (CreateAgentPayload) createAgent(System.getenv("AGENT_NAME"));
    var message =
        SendMessageInput.newBuilder().agentId(created.getAgent().getId()).text("What can you do?").build();
    var result = execute("SendMessage", Map.of("input", message), "sendMessage", SendMessageResult.class);
    var sent = (SendMessagePayload) result;
    var runId = sent.getRun().getId();
    var first = events(runId, sent.getCursor(), 3);
    var rest = events(runId, first.get(first.size() - 1).getCursor(), Integer.MAX_VALUE);
    var finished = (RunFinished) rest.get(rest.size() - 1);
    var tree =
        execute("ConversationTree", Map.of("id", sent.getConversation().getId()), "conversation", Conversation.class);
    var stop = StopRunInput.newBuilder().runId(runId).build();
    var stopped = (StopRunPayload) execute("StopRun", Map.of("input", stop), "stopRun", StopRunResult.class);
    var report = new HashMap<String, Object>();
    report.put("agents", agents.getNodes().size());
    report.put("refusal", refusal.getCode());
    report.put("kind", created.getAgent().getKind());
    report.put("messages", tree.getMessages().getNodes().size());
    report.put("first", first.stream().map(RunEvent::getSeq).toList());
    report.put("rest", rest.stream().map(RunEvent::getSeq).toList());
    report.put("status", finished.getStatus());
    report.put("stopped", stopped.getRun().getStatus());
    return report;
  }

  public static void main(String[] arguments) throws Exception {
    var run = new Run(Files.readString(Path.of("operations.graphql")));
    System.out.println(JSON.writeValueAsString(run.report()));
    System.exit(0);
  }
}
