package sandbox

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type (
	textIn struct {
		Text string `json:"text" jsonschema:"what to say"`
	}
	addIn struct {
		A float64 `json:"a"`
		B float64 `json:"b"`
	}
	stepsIn struct {
		Steps int `json:"steps,omitempty" jsonschema:"how many steps, default 3"`
		Delay int `json:"delay_ms,omitempty" jsonschema:"pause before each step in milliseconds"`
	}
	bigIn struct {
		Bytes int `json:"bytes" jsonschema:"size of the answer"`
	}
	none struct{}
)

func addTools(s *mcp.Server) {
	tool := func(name, text string) *mcp.Tool { return &mcp.Tool{Name: name, Description: text} }
	mcp.AddTool(s, tool("echo", "Says the text again."), echo)
	mcp.AddTool(s, tool("add", "Adds two numbers."), add)
	mcp.AddTool(s, tool("whoami", "Says whose token the server saw."), whoami)
	mcp.AddTool(s, tool("slow", "Takes its time and reports progress."), slow)
	mcp.AddTool(s, tool("notify", "Sends log messages before its answer."), notify)
	mcp.AddTool(s, tool("ask", "Asks the person for a name (elicitation)."), ask)
	mcp.AddTool(s, tool("sample", "Has the client's model complete the text (sampling)."), sample)
	mcp.AddTool(s, tool("big", "Gives a long answer."), long)
	mcp.AddTool(s, tool("fail", "Fails, as a tool does."), fail)
	mcp.AddTool(s, tool("wait", "Never answers; ends when cancelled."), wait)
}

func says(text string) (*mcp.CallToolResult, any, error) {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
}

func echo(_ context.Context, _ *mcp.CallToolRequest, in textIn) (*mcp.CallToolResult, any, error) {
	return says(in.Text)
}

func add(_ context.Context, _ *mcp.CallToolRequest, in addIn) (*mcp.CallToolResult, any, error) {
	return says(fmt.Sprint(in.A + in.B))
}

func whoami(_ context.Context, r *mcp.CallToolRequest, _ none) (*mcp.CallToolResult, any, error) {
	if r.Extra != nil && r.Extra.TokenInfo != nil {
		return says(r.Extra.TokenInfo.UserID)
	}
	return says("nobody")
}

func fail(context.Context, *mcp.CallToolRequest, none) (*mcp.CallToolResult, any, error) {
	return nil, nil, fmt.Errorf("this tool always fails")
}

func long(_ context.Context, _ *mcp.CallToolRequest, in bigIn) (*mcp.CallToolResult, any, error) {
	return says(strings.Repeat("x", min(max(in.Bytes, 0), 64<<20)))
}

func wait(ctx context.Context, _ *mcp.CallToolRequest, _ none) (*mcp.CallToolResult, any, error) {
	<-ctx.Done()
	return nil, nil, ctx.Err()
}

func (in stepsIn) each(ctx context.Context, do func(n, of int) error) error {
	steps := in.Steps
	if steps <= 0 {
		steps = 3
	}
	for n := 1; n <= steps; n++ {
		select {
		case <-time.After(time.Duration(in.Delay) * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := do(n, steps); err != nil {
			return err
		}
	}
	return nil
}

func slow(ctx context.Context, r *mcp.CallToolRequest, in stepsIn) (*mcp.CallToolResult, any, error) {
	token := r.Params.GetProgressToken()
	err := in.each(ctx, func(n, of int) error {
		if token == nil {
			return nil
		}
		return r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
			ProgressToken: token, Progress: float64(n), Total: float64(of), Message: fmt.Sprintf("step %d of %d", n, of),
		})
	})
	if err != nil {
		return nil, nil, err
	}
	return says("done")
}

func notify(ctx context.Context, r *mcp.CallToolRequest, in stepsIn) (*mcp.CallToolResult, any, error) {
	err := in.each(ctx, func(n, of int) error {
		return r.Session.Log(ctx, &mcp.LoggingMessageParams{
			Level: "info", Logger: "sandbox", Data: fmt.Sprintf("message %d of %d", n, of),
		})
	})
	if err != nil {
		return nil, nil, err
	}
	return says("done")
}

// ask and sample answer with an input request; the SDK turns it into a server
// request for clients older than protocol 2026-07-28.
func ask(_ context.Context, r *mcp.CallToolRequest, in textIn) (*mcp.CallToolResult, any, error) {
	if got, ok := r.Params.InputResponses["answer"].(*mcp.ElicitResult); ok {
		return says(fmt.Sprintf("%s %v", got.Action, got.Content["name"]))
	}
	return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{"answer": &mcp.ElicitParams{
		Message: in.Text, RequestedSchema: map[string]any{
			"type": "object", "properties": map[string]any{"name": map[string]any{"type": "string"}},
		},
	}}}, nil, nil
}

func sample(_ context.Context, r *mcp.CallToolRequest, in textIn) (*mcp.CallToolResult, any, error) {
	if got, ok := r.Params.InputResponses["answer"].(*mcp.CreateMessageWithToolsResult); ok {
		return &mcp.CallToolResult{Content: got.Content}, nil, nil
	}
	return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{"answer": &mcp.CreateMessageParams{
		MaxTokens: 64, Messages: []*mcp.SamplingMessage{{Role: "user", Content: &mcp.TextContent{Text: in.Text}}},
	}}}, nil, nil
}
