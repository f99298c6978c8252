// Keeps the calls list up to date over a WebSocket; without one the list is as it was loaded.
(function () {
  "use strict";

  var MOST_ROWS = 25;
  var RETRY_AFTER = 3000; // milliseconds
  var live = document.getElementById("live");
  var rows = document.querySelector("#calls tbody");

  function show(call) {
    var row = document.getElementById("call-" + call.id);
    if (!row) {
      row = rows.insertRow(0);
      row.id = "call-" + call.id;
      for (var i = 0; i < 6; i += 1) {
        row.insertCell();
      }
      row.cells[4].className = "state";
      row.cells[5].className = "number";
      while (rows.rows.length > MOST_ROWS) {
        rows.deleteRow(-1);
      }
    }
    row.className = call.state;
    [call.when, call.direction, call.party, call.number, call.state, call.length].forEach(
      function (text, i) { row.cells[i].textContent = text; }
    );
  }

  function say(text, kind) {
    live.textContent = text;
    live.className = kind;
  }

  function connect() {
    var scheme = location.protocol === "https:" ? "wss://" : "ws://";
    var socket = new WebSocket(scheme + location.host + "/calls/live");
    socket.onopen = function () { say("live", "on"); };
    socket.onmessage = function (event) { show(JSON.parse(event.data)); };
    socket.onclose = function () {
      say("not live", "off");
      setTimeout(connect, RETRY_AFTER);
    };
  }

  connect();
}());
