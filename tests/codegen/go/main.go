// Command codegenmatrix runs the operations and prints what came back.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/Khan/genqlient/graphql"
	"github.com/gorilla/websocket"
)

type transport struct{ token string }

func (t transport) RoundTrip(request *http.Request) (*http.Response, error) {
	request.Header.Set("Authorization", "Bearer "+t.token)
	return http.DefaultTransport.RoundTrip(request)
}

type dialer struct{ *websocket.Dialer }

func (d dialer) DialContext(ctx context.Context, url string, header http.Header) (graphql.WSConn, error) {
	connection, response, err := d.Dialer.DialContext(ctx, url, header)
	if response != nil && err == nil {
		_ = response.Body.Close()
	}
	return connection, err
}

type event = RunEventsRunEventsRunEvent

// readEvents returns at most limit events behind a cursor, on a connection of its own; 0 is no limit.
func readEvents(ctx context.Context, url, token, runID, after string, limit int) ([]event, error) {
	client := graphql.NewClientUsingWebSocket(
		strings.Replace(url, "http", "ws", 1),
		dialer{websocket.DefaultDialer},
		graphql.WithConnectionParams(map[string]interface{}{"Authorization": "Bearer " + token}),
	)
	failures, err := client.Start(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }()
	answers, _, err := RunEvents(ctx, client, runID, &after)
	if err != nil {
		return nil, err
	}
	var events []event
	for {
		select {
		case failure := <-failures:
			if failure != nil {
				return nil, failure
			}
		case answer, open := <-answers:
			if !open {
				return events, nil
			}
			if len(answer.Errors) > 0 {
				return nil, answer.Errors
			}
			events = append(events, answer.Data.RunEvents)
			if len(events) == limit {
				return events, nil
			}
		}
	}
}

func seqs(events []event) []int {
	numbers := make([]int, len(events))
	for i, item := range events {
		numbers[i] = item.GetSeq()
	}
	return numbers
}

func run(ctx context.Context) (map[string]any, error) {
	url, token, name := os.Getenv("GRAPHQL_URL"), os.Getenv("GRAPHQL_TOKEN"), os.Getenv("AGENT_NAME")
	client := graphql.NewClient(url, &http.Client{Transport: transport{token}})
	agents, err := Agents(ctx, client, 5)
	if err != nil {
		return nil, err
	}
	answer, err := CreateAgent(ctx, client, CreateAgentInput{})
	if err != nil {
		return nil, err
	}
	refusal, ok := (*answer.CreateAgent).(*CreateAgentCreateAgentValidationError)
	if !ok {
		return nil, fmt.Errorf("an agent without a name: %T", *answer.CreateAgent)
	}
	answer, err = CreateAgent(ctx, client, CreateAgentInput{Name: name})
	if err != nil {
		return nil, err
	}
	created, ok := (*answer.CreateAgent).(*CreateAgentCreateAgentCreateAgentPayload)
	if !ok {
		return nil, fmt.Errorf("no agent: %T", *answer.CreateAgent)
	}
	text := "What can you do?"
	sending, err := SendMessage(ctx, client, SendMessageInput{AgentId: &created.Agent.Id, Text: &text})
	if err != nil {
		return nil, err
	}
	sent, ok := (*sending.SendMessage).(*SendMessageSendMessageSendMessagePayload)
	if !ok {
		return nil, fmt.Errorf("not sent: %T", *sending.SendMessage)
	}
	first, err := readEvents(ctx, url, token, sent.Run.Id, sent.Cursor, 3)
	if err != nil {
		return nil, err
	}
	rest, err := readEvents(ctx, url, token, sent.Run.Id, first[len(first)-1].GetCursor(), 0)
	if err != nil {
		return nil, err
	}
	finished, ok := rest[len(rest)-1].(*RunEventsRunEventsRunFinished)
	if !ok {
		return nil, fmt.Errorf("the last event is %T", rest[len(rest)-1])
	}
	tree, err := ConversationTree(ctx, client, sent.Conversation.Id)
	if err != nil {
		return nil, err
	}
	stopping, err := StopRun(ctx, client, StopRunInput{RunId: sent.Run.Id})
	if err != nil {
		return nil, err
	}
	stopped, ok := (*stopping.StopRun).(*StopRunStopRunStopRunPayload)
	if !ok {
		return nil, fmt.Errorf("not stopped: %T", *stopping.StopRun)
	}
	return map[string]any{
		"agents":   len(agents.Agents.Nodes),
		"refusal":  refusal.Code,
		"kind":     created.Agent.Kind,
		"messages": len(tree.Conversation.Messages.Nodes),
		"first":    seqs(first),
		"rest":     seqs(rest),
		"status":   finished.Status,
		"stopped":  stopped.Run.Status,
	}, nil
}

func main() {
	report, err := run(context.Background())
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(report)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
