// Copyright (c) 2026, the xmpp.edge authors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// A simulator of the COM interface of the Windows firewall, as far as documents and reports describe it. It has no mind of
// its own about the product: each behaviour names its source, and what no document says is a switch in the store.
//
// The store is a JSON file, with the path in XMPP_EDGE_FIREWALL:
//   rules      the local rules, in the keys of Firewall.Keys, and "group"
//   state      current_profiles, modify_state, and profiles by name: enabled, blocks_all_inbound
//   registry   values by key: what group policy has written
//   calls      how often the interface was asked for
//   fails      by method (Rules, Add, Remove, FirewallEnabled, Connect and so on), the HRESULT with which it fails
//   tasks      of the task scheduler
//   refuses    part of the name of a rule that Add refuses
//   unreadable part of the name of a rule, and the getter that fails there: {"name": ..., "getter": ...}
//   forms      switches: ipv6_host (plain, range, prefix), reversed, upper, contained (tokens that another contains are
//              dropped), removes (first or last of twins), lag (enumerations that still show the rules as they were),
//              expands (a path shows what its variable stands for), owner (of an added rule), widened (a list of remote addresses becomes any address), trace (each state of the rules becomes a line of a file beside the store)

using System;
using System.Collections;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace XmppEdge
{
    public class Store
    {
        private readonly string path = Environment.GetEnvironmentVariable("XMPP_EDGE_FIREWALL");
        public readonly JsonObject Root;

        // A rule that a program holds is the one that another object shows: all have one tree, as long as the file is theirs.
        private static string knownPath, knownText;
        private static JsonObject knownRoot;

        public Store()
        {
            string text = File.ReadAllText(path);
            if (path != knownPath || text != knownText) { knownRoot = JsonNode.Parse(text).AsObject(); }
            knownPath = path;
            knownText = text;
            Root = knownRoot;
        }

        public JsonArray Rules { get { return Root["rules"].AsArray(); } }

        public void Save()
        {
            knownText = Root.ToJsonString();
            File.WriteAllText(path, knownText);
            if ((bool?)Form("trace") == true) { File.AppendAllText(path + ".trace", Rules.ToJsonString() + "\n"); }
        }

        public JsonNode Form(string name) { return Root["forms"] == null ? null : Root["forms"][name]; }

        // A COM method that fails raises a COMException with its HRESULT.
        public void Fail(string method)
        {
            JsonNode found = Root["fails"] == null ? null : Root["fails"][method];
            if (found != null) { throw new COMException("simulated failure of " + method, unchecked((int)(long)found)); }
        }
    }

    public static class Refusal
    {
        public const int InvalidArgument = unchecked((int)0x80070057);  // E_INVALIDARG
        public const int InvalidParameter = unchecked((int)0xD000000D);  // WindowsFirewallHelper issue 8
        public const int Unexpected = unchecked((int)0x8000FFFF);  // E_UNEXPECTED

        public static COMException Of(int result) { return new COMException("the parameter is incorrect", result); }
    }

    // A token of an address list. Sources: [MS-GPFAS] 2.2.2.19, INetFwRule::put_LocalAddresses, [MS-FASP] 2.2.4.
    public class Token
    {
        public string Text;
        public bool Six;
        public BigInteger First, Last;
        private static readonly string[] Keywords = {
            "localsubnet", "dns", "dhcp", "wins", "defaultgateway", "internet", "intranet", "rmtintranet", "ply2renders" };

        public static Token Read(string text, bool remote)
        {
            string lower = text.ToLowerInvariant();
            if (Keywords.Any(word => lower == word || lower == word + "4" || lower == word + "6"))
            {
                // Status 0x00100048: keywords are valid on the remote side only.
                if (!remote) { throw Refusal.Of(Refusal.InvalidArgument); }
                return new Token { Text = text };
            }
            string[] ends = text.Split('-');
            if (ends.Length == 2)
            {
                Token range = new Token { Text = text, First = Number(ends[0]), Last = Number(ends[1]), Six = ends[0].Contains(":") };
                if (range.First > range.Last || ends[1].Contains(":") != range.Six) { throw Refusal.Of(Refusal.InvalidParameter); }
                return Checked(range);
            }
            string[] parts = text.Split('/');
            bool six = parts[0].Contains(":");
            int bits = six ? 128 : 32, length = bits;
            if (parts.Length == 2) { length = Length(parts[1], six); }
            // A mask of 0 is invalid, [MS-FASP] 2.2.4.
            if (parts.Length > 2 || length < 1 || length > bits) { throw Refusal.Of(Refusal.InvalidParameter); }
            BigInteger size = BigInteger.One << (bits - length), first = Number(parts[0]) / size * size;
            return Checked(new Token { Text = text, First = first, Last = first + size - 1, Six = six });
        }

        // Loopback, unspecified and multicast addresses are semantic errors, statuses 0x0010004A and 0x0010004C. A range of
        // IPv4 that holds 127.0.0.0/8 is accepted, "::1" and lists with it are refused (tests of other projects).
        private static Token Checked(Token token)
        {
            if (token.Six && token.First <= 1 && token.Last == token.First) { throw Refusal.Of(Refusal.InvalidParameter); }
            return token;
        }

        private static int Length(string text, bool six)
        {
            int length;
            if (int.TryParse(text, out length)) { return length; }
            if (six) { return -1; }
            BigInteger inverse = (BigInteger.One << 32) - 1 - Number(text);
            return (inverse & (inverse + 1)) == 0 ? 32 - (int)Bits(inverse) : -1;
        }

        private static long Bits(BigInteger number) { long count = 0; while (number > 0) { number >>= 1; count++; } return count; }

        private static BigInteger Number(string text)
        {
            IPAddress address;
            if (!IPAddress.TryParse(text, out address) || text.Contains("%") || (!text.Contains(":") && text.Split('.').Length != 4))
            {
                throw Refusal.Of(Refusal.InvalidParameter);
            }
            return new BigInteger(address.GetAddressBytes(), true, true);
        }

        private string Address(BigInteger number)
        {
            byte[] bytes = number.ToByteArray(true, true), full = new byte[Six ? 16 : 4];
            Array.Copy(bytes, 0, full, full.Length - bytes.Length, bytes.Length);
            return new IPAddress(full).ToString();
        }

        // How Windows shows a token: IPv4 with a dotted mask, [MS-GPFAS] 4.2; one IPv6 host perhaps as a range,
        // WindowsFirewallHelper issue 6.
        public string Shown(string host)
        {
            if (First == 0 && Last == 0) { return Text; }
            BigInteger size = Last - First + 1;
            if ((size & (size - 1)) != 0 || First % size != 0) { return Address(First) + "-" + Address(Last); }
            if (!Six) { return Address(First) + "/" + new Token { Six = false }.Address((BigInteger.One << 32) - size); }
            int length = 128 - (int)Bits(size) + 1;
            if (length < 128) { return Address(First) + "/" + length; }
            return host == "range" ? Address(First) + "-" + Address(First) : host == "prefix" ? Address(First) + "/128" : Address(First);
        }
    }

    public class Rule
    {
        // By property, the key of the store and what a new rule has. Source: INetFwRule, INetFwRule2, INetFwRule3.
        internal static readonly Dictionary<string, KeyValuePair<string, object>> Keys = new Dictionary<string, KeyValuePair<string, object>> {
            { "Name", new KeyValuePair<string, object>("name", "") }, { "Description", new KeyValuePair<string, object>("description", "") },
            { "Grouping", new KeyValuePair<string, object>("group", "") }, { "Enabled", new KeyValuePair<string, object>("enabled", false) },
            { "Direction", new KeyValuePair<string, object>("direction", 1) }, { "Action", new KeyValuePair<string, object>("action", 1) },
            { "Protocol", new KeyValuePair<string, object>("protocol", 256) }, { "Profiles", new KeyValuePair<string, object>("profiles", 0x7FFFFFFF) },
            { "LocalAddresses", new KeyValuePair<string, object>("local_addresses", "*") }, { "RemoteAddresses", new KeyValuePair<string, object>("remote_addresses", "*") },
            { "LocalPorts", new KeyValuePair<string, object>("local_ports", "") }, { "RemotePorts", new KeyValuePair<string, object>("remote_ports", "") },
            { "ApplicationName", new KeyValuePair<string, object>("application", null) }, { "ServiceName", new KeyValuePair<string, object>("service", null) },
            { "InterfaceTypes", new KeyValuePair<string, object>("interface_types", "All") }, { "Interfaces", new KeyValuePair<string, object>("interfaces", false) },
            { "EdgeTraversal", new KeyValuePair<string, object>("edge_traversal", false) }, { "EdgeTraversalOptions", new KeyValuePair<string, object>("edge_traversal_options", 0) },
            { "LocalAppPackageId", new KeyValuePair<string, object>("package", null) }, { "LocalUserOwner", new KeyValuePair<string, object>("owner", null) },
            { "LocalUserAuthorizedList", new KeyValuePair<string, object>("authorized", null) }, { "RemoteUserAuthorizedList", new KeyValuePair<string, object>("remote_users", null) },
            { "RemoteMachineAuthorizedList", new KeyValuePair<string, object>("remote_machines", null) }, { "SecureFlags", new KeyValuePair<string, object>("secure", 0) },
        };
        private static readonly string[] Actions = { "block", "allow" }, Directions = { "none", "in", "out" };

        internal JsonObject Data;
        internal Store Live;  // The store of a rule that is in it: every put commits at once (INetFwRule, remarks).

        public Rule() { Data = new JsonObject(); foreach (var key in Keys.Values) { Data[key.Key] = Node(key.Value); } }

        internal Rule(JsonObject data, Store live) { Data = data; Live = live; }

        private object Get(string property)
        {
            JsonNode unreadable = Live == null ? null : Live.Root["unreadable"];
            if (unreadable != null && (string)unreadable["getter"] == property && Text("name").Contains((string)unreadable["name"]))
            {
                return null;  // PowerShell shows null where a COM getter fails (PowerShell issue 13544).
            }
            JsonNode value = Data[Keys[property].Key];
            if (value == null) { return null; }
            switch (value.GetValueKind())
            {
                case JsonValueKind.True: return true;
                case JsonValueKind.False: return false;
                case JsonValueKind.Number: return (int)value;
                case JsonValueKind.String:
                    if (property == "Direction") { return Array.IndexOf(Directions, (string)value); }
                    if (property == "Action") { return Array.IndexOf(Actions, (string)value); }
                    return (string)value;
                default: return null;
            }
        }

        private static JsonNode Node(object value)
        {
            if (value is bool) { return JsonValue.Create((bool)value); }
            if (value is int) { return JsonValue.Create((int)value); }
            return value == null ? null : JsonValue.Create((string)value);
        }

        private string Text(string key) { return Data[key] == null ? "" : (string)Data[key]; }

        private void Put(string property, object value)
        {
            if (Live != null) { Live.Fail("Put"); }
            Data[Keys[property].Key] = Node(value);
            if (Live != null) { Live.Save(); }
        }

        // Ports need the protocol TCP or UDP first (INetFwRule::put_LocalPorts).
        private void PutPorts(string property, string value)
        {
            int protocol = (int)Get("Protocol");
            if (protocol != 6 && protocol != 17) { throw Refusal.Of(Refusal.InvalidArgument); }
            foreach (string part in value.Split(','))
            {
                foreach (string end in part.Split('-'))
                {
                    int port;
                    if (value != "*" && (!int.TryParse(end, out port) || port < 1 || port > 65535)) { throw Refusal.Of(Refusal.InvalidArgument); }
                }
            }
            Put(property, value);
        }

        // An empty text is any address (IPBan: "never set an empty string"). At most 1,000 entries, [MS-FASP] 2.2.5-2.2.11.
        private void PutAddresses(string property, string value)
        {
            if (value == "" || value == "*") { Put(property, "*"); return; }
            List<Token> tokens = value.Split(',').Select(text => Token.Read(text, property == "RemoteAddresses")).ToList();
            if (tokens.Count > 1000) { throw Refusal.Of(Refusal.InvalidArgument); }
            Put(property, Live == null ? value : Shown(tokens, Live));
        }

        private static string Shown(List<Token> tokens, Store store)
        {
            if ((bool?)store.Form("contained") == true)
            {
                // WindowsFirewallHelper issue 64.
                tokens = tokens.Where(one => !tokens.Any(other => other != one && other.Six == one.Six && other.Last > 0
                    && other.First <= one.First && one.Last <= other.Last && other.Last - other.First > one.Last - one.First)).ToList();
            }
            List<string> shown = tokens.Select(token => token.Shown((string)store.Form("ipv6_host") ?? "range")).ToList();
            if ((bool?)store.Form("reversed") != false) { shown.Reverse(); }  // The order of tokens is not guaranteed.
            string text = String.Join(",", shown);
            return (bool?)store.Form("upper") == true ? text.ToUpperInvariant() : text;
        }

        internal void Commit(Store store)
        {
            foreach (string key in new[] { "local_addresses", "remote_addresses" })
            {
                string text = Text(key);
                if (text != "*") { Data[key] = Shown(text.Split(',').Select(one => Token.Read(one, true)).ToList(), store); }
            }
            Data["action"] = Actions[(int)Get("Action")];
            Data["direction"] = Directions[(int)Get("Direction")];
            Data["profiles"] = (int)Data["profiles"] & 7;
            if ((bool?)store.Form("expands") == true) { Data["application"] = Environment.ExpandEnvironmentVariables(Text("application")); }
            if (store.Form("owner") != null) { Data["owner"] = (string)store.Form("owner"); }
            if ((bool?)store.Form("widened") == true && Text("remote_addresses") != "*") { Data["remote_addresses"] = "*"; }
            foreach (var key in Keys.Values) { if (Data[key.Key] == null && key.Value == null) { Data[key.Key] = ""; } }
            Live = store;
        }

        // "all" is reserved, and "|" is the separator of the registry (INetFwRule::put_Name).
        public object Name
        {
            get { return Get("Name"); }
            set
            {
                string text = (string)value;
                if (text == "" || text.Contains("|") || text.ToLowerInvariant() == "all" || text.Length > 10000) { throw Refusal.Of(Refusal.InvalidArgument); }
                Put("Name", text);
            }
        }
        public object Description
        {
            get { return Get("Description"); }
            set { if (((string)value).Contains("|")) { throw Refusal.Of(Refusal.InvalidArgument); } Put("Description", (string)value); }
        }
        public object Grouping { get { return Get("Grouping"); } set { Put("Grouping", (string)value); } }
        public object Enabled { get { return Get("Enabled"); } set { Put("Enabled", Convert.ToBoolean(value)); } }
        public object Direction { get { return Get("Direction"); } set { Put("Direction", Number(value, 1, 2)); } }
        public object Action { get { return Get("Action"); } set { Put("Action", Number(value, 0, 1)); } }
        public object Protocol { get { return Get("Protocol"); } set { Put("Protocol", Number(value, 0, 256)); } }
        public object Profiles { get { return Get("Profiles"); } set { Put("Profiles", Number(value, 1, 0x7FFFFFFF)); } }
        public object LocalAddresses { get { return Get("LocalAddresses"); } set { PutAddresses("LocalAddresses", (string)value); } }
        public object RemoteAddresses { get { return Get("RemoteAddresses"); } set { PutAddresses("RemoteAddresses", (string)value); } }
        public object LocalPorts { get { return Get("LocalPorts"); } set { PutPorts("LocalPorts", (string)value); } }
        public object RemotePorts { get { return Get("RemotePorts"); } set { PutPorts("RemotePorts", (string)value); } }
        public object ApplicationName { get { return Get("ApplicationName"); } set { Put("ApplicationName", (string)value); } }
        public object ServiceName { get { return Get("ServiceName"); } set { Put("ServiceName", (string)value); } }
        public object InterfaceTypes { get { return Get("InterfaceTypes"); } set { Put("InterfaceTypes", (string)value); } }
        public object Interfaces { get { return Equals(Get("Interfaces"), true) ? new object[] { "Ethernet" } : null; } }
        public object EdgeTraversal { get { return Get("EdgeTraversal"); } set { Put("EdgeTraversal", Convert.ToBoolean(value)); } }
        public object EdgeTraversalOptions { get { return Get("EdgeTraversalOptions"); } set { Put("EdgeTraversalOptions", Number(value, 0, 3)); } }
        public object LocalAppPackageId { get { return Get("LocalAppPackageId"); } }
        public object LocalUserOwner { get { return Get("LocalUserOwner"); } }
        public object LocalUserAuthorizedList { get { return Get("LocalUserAuthorizedList"); } }
        public object RemoteUserAuthorizedList { get { return Get("RemoteUserAuthorizedList"); } }
        public object RemoteMachineAuthorizedList { get { return Get("RemoteMachineAuthorizedList"); } }
        public object SecureFlags { get { return Get("SecureFlags"); } }

        private static int Number(object value, int least, int most)
        {
            int number = Convert.ToInt32(value);
            if (number < least || number > most) { throw Refusal.Of(Refusal.InvalidArgument); }
            return number;
        }
    }

    // Source: INetFwRules.
    public class Rules : IEnumerable
    {
        private readonly Store store;

        internal Rules(Store store) { this.store = store; }

        public int Count { get { return store.Rules.Count; } }

        // What is read directly after a change may lag behind it (INetFwRule, remarks).
        public IEnumerator GetEnumerator()
        {
            JsonNode former = store.Root["former"];
            int left = former == null ? 0 : (int)store.Root["lagging"];
            if (left > 0)
            {
                store.Root["lagging"] = left - 1;
                store.Save();
            }
            JsonArray shown = left > 0 ? former.AsArray() : store.Rules;
            return shown.Select(entry => new Rule(entry.AsObject(), store)).ToList().GetEnumerator();
        }

        // The name is not unique: Add makes one rule more. A rule that is in the store already is E_UNEXPECTED.
        public void Add(Rule rule)
        {
            store.Fail("Add");
            if (rule.Live != null) { throw Refusal.Of(Refusal.Unexpected); }
            JsonNode refuses = store.Root["refuses"];
            if (refuses != null && ((string)rule.Name).Contains((string)refuses)) { throw Refusal.Of(Refusal.InvalidArgument); }
            Lag();
            rule.Commit(store);
            store.Rules.Add(rule.Data);
            store.Save();
        }

        // Removes one rule of that name; which one of twins is not defined. None is no error.
        public void Remove(string name)
        {
            store.Fail("Remove");
            List<JsonNode> found = store.Rules.Where(entry => (string)entry["name"] == name).ToList();
            if (found.Count == 0) { return; }
            Lag();
            store.Rules.Remove((string)store.Form("removes") == "last" ? found[found.Count - 1] : found[0]);
            store.Save();
        }

        public Rule Item(string name)
        {
            JsonNode found = store.Rules.FirstOrDefault(entry => (string)entry["name"] == name);
            if (found == null) { throw new COMException("not found", unchecked((int)0x80070002)); }
            return new Rule(found.AsObject(), store);
        }

        private void Lag()
        {
            if (store.Form("lag") == null) { return; }
            store.Root["former"] = JsonNode.Parse(store.Rules.ToJsonString());
            store.Root["lagging"] = (int)store.Form("lag");
        }
    }

    // Source: INetFwPolicy2. It shows local settings only.
    public class Policy
    {
        private readonly Store store = new Store();
        private static readonly Dictionary<int, string> Names = new Dictionary<int, string> { { 1, "domain" }, { 2, "private" }, { 4, "public" } };

        public Policy()
        {
            store.Root["calls"] = (int)store.Root["calls"] + 1;
            store.Save();
        }

        // Where a COM getter fails, PowerShell shows null.
        public object Rules { get { return store.Root["fails"] != null && store.Root["fails"]["Rules"] != null ? null : new Rules(store); } }
        public object CurrentProfileTypes { get { return (int)store.Root["state"]["current_profiles"]; } }
        public object LocalPolicyModifyState { get { return store.Root["state"]["modify_state"] == null ? 0 : (int)store.Root["state"]["modify_state"]; } }

        public bool FirewallEnabled(int profile) { store.Fail("FirewallEnabled"); return (bool)Of(profile)["enabled"]; }

        public bool BlockAllInboundTraffic(int profile) { return (bool)Of(profile)["blocks_all_inbound"]; }

        private JsonNode Of(int profile) { return store.Root["state"]["profiles"][Names[profile]]; }
    }

    // The task scheduler, as far as a rollback needs it. Tasks are in the store's "tasks"; a test runs what is in them.
    // Source: Task Scheduler 2.0, ITaskService and the interfaces that it returns.
    public class TaskService
    {
        private Store store;

        // The service may be stopped: 0x80041315, SCHED_E_SERVICE_NOT_RUNNING.
        public void Connect()
        {
            store = new Store();
            store.Fail("Connect");
        }

        public TaskFolder GetFolder(string path)
        {
            if (store == null || path != "\\") { throw Refusal.Of(Refusal.InvalidArgument); }
            return new TaskFolder();
        }

        public TaskDefinition NewTask(int flags) { return new TaskDefinition(); }
    }

    public class TaskFolder
    {
        private static JsonArray Tasks(Store store)
        {
            if (store.Root["tasks"] == null) { store.Root["tasks"] = new JsonArray(); }
            return store.Root["tasks"].AsArray();
        }

        public RegisteredTask[] GetTasks(int flags)
        {
            return Tasks(new Store()).Select(task => new RegisteredTask(task.AsObject())).ToArray();
        }

        // Error 0x80070002, ERROR_FILE_NOT_FOUND, for a task that is not there.
        public void DeleteTask(string name, int flags)
        {
            Store store = new Store();
            store.Fail("DeleteTask");
            JsonNode found = Tasks(store).FirstOrDefault(task => (string)task["name"] == name);
            if (found == null) { throw new COMException("not found", unchecked((int)0x80070002)); }
            Tasks(store).Remove(found);
            store.Save();
        }

        // A service account needs logon type 5, TASK_LOGON_SERVICE_ACCOUNT, and no password; 6 creates or updates.
        public RegisteredTask RegisterTaskDefinition(string name, TaskDefinition task, int flags, object user, object password, int logon)
        {
            Store store = new Store();
            store.Fail("RegisterTaskDefinition");
            if (flags != 6 || logon != 5 || password != null || task.Principal.LogonType != 5 || task.Principal.UserId != "S-1-5-18")
            {
                throw Refusal.Of(Refusal.InvalidArgument);
            }
            JsonNode former = Tasks(store).FirstOrDefault(one => (string)one["name"] == name);
            if (former != null) { Tasks(store).Remove(former); }
            JsonObject data = task.Checked();
            data["name"] = name;
            Tasks(store).Add(data);
            store.Save();
            return new RegisteredTask(data);
        }
    }

    public class RegisteredTask
    {
        private readonly JsonObject data;

        internal RegisteredTask(JsonObject data) { this.data = data; }

        public string Name { get { return (string)data["name"]; } }

        // A test runs what is in a task.
        public object Run(object parameters) { return null; }

        public TaskDefinition Definition
        {
            get
            {
                TaskDefinition shown = new TaskDefinition { Data = (string)data["data"] };
                // Windows shows the name of an account for its SID.
                shown.Principal.UserId = data["user"] == null ? "SYSTEM" : (string)data["user"];
                return shown;
            }
        }
    }

    public class TaskDefinition
    {
        public string Data;
        public readonly TaskText RegistrationInfo = new TaskText();
        public readonly TaskPrincipal Principal = new TaskPrincipal();
        public readonly TaskSettings Settings = new TaskSettings();
        public readonly TaskList<TaskTrigger> Triggers = new TaskList<TaskTrigger>();
        public readonly TaskList<TaskAction> Actions = new TaskList<TaskAction>();

        // Times are those of XML: a time trigger without a start is refused (ITrigger::put_StartBoundary).
        internal JsonObject Checked()
        {
            foreach (TaskTrigger trigger in Triggers.All)
            {
                bool stated = trigger.StartBoundary != null;
                bool written = stated && System.Text.RegularExpressions.Regex.IsMatch(trigger.StartBoundary, "^[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}Z?$");
                if (trigger.Kind == 1 ? !written : stated && !written) { throw Refusal.Of(Refusal.InvalidArgument); }
            }
            if (Actions.All.Count != 1 || Triggers.All.Count == 0) { throw Refusal.Of(Refusal.InvalidArgument); }
            JsonArray triggers = new JsonArray();
            foreach (TaskTrigger trigger in Triggers.All) { triggers.Add(new JsonObject { { "kind", trigger.Kind }, { "start", trigger.StartBoundary } }); }
            return new JsonObject {
                { "data", Data }, { "description", RegistrationInfo.Description }, { "triggers", triggers }, { "path", Actions.All[0].Path },
                { "arguments", Actions.All[0].Arguments }, { "when_available", Settings.StartWhenAvailable },
                { "on_batteries", !Settings.DisallowStartIfOnBatteries && !Settings.StopIfGoingOnBatteries } };
        }
    }

    public class TaskText { public string Description; }

    public class TaskPrincipal { public string UserId; public int LogonType, RunLevel; }

    // What a new task has is not what a rollback needs (ITaskSettings).
    public class TaskSettings
    {
        public bool StartWhenAvailable, DisallowStartIfOnBatteries = true, StopIfGoingOnBatteries = true;
        public string ExecutionTimeLimit = "PT72H";
    }

    public class TaskTrigger { public int Kind; public string StartBoundary; }

    public class TaskAction { public int Kind; public string Path, Arguments; }

    public class TaskList<T> where T : class
    {
        internal readonly List<T> All = new List<T>();

        public T Create(int kind)
        {
            object made = typeof(T) == typeof(TaskTrigger) ? (object)new TaskTrigger { Kind = kind } : new TaskAction { Kind = kind };
            All.Add((T)made);
            return (T)made;
        }
    }

    // A key of the registry, as Microsoft.Win32.RegistryKey.
    public class Key
    {
        private readonly JsonObject values;

        private Key(JsonObject values) { this.values = values; }

        public static Key Open(string path)
        {
            JsonNode registry = new Store().Root["registry"];
            if (registry == null) { return null; }
            JsonNode found = registry.AsObject().FirstOrDefault(pair => String.Equals(pair.Key, path, StringComparison.OrdinalIgnoreCase)).Value;
            if (found != null) { return new Key(found.AsObject()); }
            // A key that has others below it is there.
            bool above = registry.AsObject().Any(pair => pair.Key.StartsWith(path + "\\", StringComparison.OrdinalIgnoreCase));
            return above ? new Key(new JsonObject()) : null;
        }

        public int ValueCount { get { return values.Count; } }

        public string[] GetValueNames() { return values.Select(pair => pair.Key).ToArray(); }

        public object GetValue(string name) { return GetValue(name, null); }

        public object GetValue(string name, object otherwise)
        {
            JsonNode found = values[name];
            if (found == null) { return otherwise; }
            return found.GetValueKind() == JsonValueKind.Number ? (object)(int)found : (string)found;
        }
    }
}
