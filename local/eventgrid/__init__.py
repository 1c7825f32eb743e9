"""Event Grid of the laptop cloud, and the blob endpoint whose writes raise events.

What deviates from Azure, and why:

- A destination at which nobody listened is served as soon as somebody listens, before its step of the retry ladder:
  parts of a laptop start one after the other. `HUB_EVENTGRID_WAKE=0` keeps to the ladder.
- An endpoint is never put on probation ("delayed delivery"): Azure gives no numbers for it, and a person who mends an
  endpoint on a laptop wants to see the next attempt. The ladder, the least waits by status and the limits are kept.
- The handshake comes before the first delivery of a process, not when a subscription is made; until the endpoint
  agrees, events wait. Subscriptions are read at start from the file that the templates use.
- The topic `hub` takes both schemas (`laptopInputSchemas`); in Azure a topic takes its `inputSchema` only. Topics
  without that key are as strict here.
- `data.url` is the address of the laptop's endpoint, `http://127.0.0.1:<port>/<account>/<container>/<blob>`.
- `id`, `requestId` and `storageDiagnostics.batchId` are unrelated; in Azure they share their first digits.
- Data Lake clients can create files and folders, append and flush; renames, access lists and listings of paths are
  not there, since Azurite has no Data Lake endpoint. Deletions tell `DeleteBlob`.
- Events of an account whose topic has no subscription are not stored, and so cannot be delivered later.
- Identities (Microsoft Entra) are not accepted by topics: keys and SAS tokens are.
- All documented times are divided by `HUB_TIME_SCALE`, so that a test sees a day's ladder in seconds.
"""
